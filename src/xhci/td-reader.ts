import type { Bus } from "./bus.ts";
import { TD_BYTES_MAX, TD_TRBS_MAX } from "./limits.ts";
import type { Transfer } from "./transfer.ts";
import { IMMEDIATE_MAX, lengthOf, TRB_LENGTH_MAX, TrbBit, TrbType, typeOf } from "./trb.ts";
import { Fetched, type TrbRing } from "./trb-ring.ts";

/** Where a TD begins, or goes on, without being one. */
const { none, broken } = Fetched;

/** TRBs of TDs of bulk and interrupt endpoints (xHCI §4.11.2). */
const NORMAL_TD = maskOf(TrbType.NORMAL, TrbType.EVENT_DATA, TrbType.NO_OP);
const ISOCH_TD = NORMAL_TD | maskOf(TrbType.ISOCH);
const CONTROL_TD = NORMAL_TD | maskOf(TrbType.SETUP, TrbType.DATA, TrbType.STATUS);

function maskOf(...types: readonly number[]): number {
  return types.reduce((mask, type) => mask | (1 << type), 0);
}

/** Adds the next TD of a bulk or interrupt endpoint. `none`: its end is not there yet. */
export function readNormal(ring: TrbRing, bus: Bus, transfer: Transfer): Fetched {
  transfer.tds.push(transfer.count);
  return readTd(ring, bus, transfer, NORMAL_TD);
}

/** Likewise of an isochronous endpoint: an Isoch TRB and what is chained to it, or TRBs that do nothing. */
export function readIsochronous(ring: TrbRing, bus: Bus, transfer: Transfer): Fetched {
  const first = transfer.count;
  transfer.tds.push(first);
  const fetched = readTd(ring, bus, transfer, ISOCH_TD);
  if (fetched !== Fetched.trb) return fetched;
  const type = transfer.type(first);
  return type === TrbType.ISOCH || type === TrbType.NO_OP ? fetched : broken;
}

/**
 * Likewise a control transfer: the TDs of its Setup, Data and Status stage (xHCI §4.11.2.2). Or a TD that does nothing:
 * so drivers write over what they have cancelled.
 */
export function readControl(ring: TrbRing, bus: Bus, transfer: Transfer): Fetched {
  transfer.tds.push(0);
  let fetched = readTd(ring, bus, transfer, CONTROL_TD);
  if (fetched !== Fetched.trb) return fetched;
  if (transfer.type(0) === TrbType.NO_OP) return fetched;
  const immediate = (transfer.control(0) & TrbBit.IDT) !== 0;
  if (transfer.type(0) !== TrbType.SETUP || !immediate || transfer.count !== 1) return broken;
  for (let stage = transfer.count; ; stage = transfer.count) {
    fetched = readTd(ring, bus, transfer, CONTROL_TD);
    if (fetched !== Fetched.trb) return fetched;
    const type = transfer.type(stage);
    if (type === TrbType.STATUS) return fetched;
    // Cancelled in the midst: nothing of it goes to the device.
    if (type !== TrbType.DATA && type !== TrbType.NO_OP) return broken;
  }
}

/** Adds TRBs up to the one that ends the TD. */
function readTd(ring: TrbRing, bus: Bus, transfer: Transfer, types: number): Fetched {
  for (let first = true; ; first = false) {
    const fetched = ring.fetch(bus);
    if (fetched !== Fetched.trb) return fetched === Fetched.none ? none : broken;
    const control = ring.words[3]!;
    transfer.append(ring);
    const type = typeOf(control);
    const isKnown = type < 32 && ((1 << type) & types) !== 0;
    if (!isKnown || transfer.count > TD_TRBS_MAX || transfer.bytes > TD_BYTES_MAX) return broken;
    const length = lengthOf(ring.words[2]!);
    const most = (control & TrbBit.IDT) === 0 ? TRB_LENGTH_MAX : IMMEDIATE_MAX;
    if (type !== TrbType.EVENT_DATA && type !== TrbType.NO_OP && length > most) return broken;
    if (!first && (type === TrbType.SETUP || type === TrbType.ISOCH)) return broken;
    if ((control & TrbBit.CH) === 0) return Fetched.trb;
  }
}
