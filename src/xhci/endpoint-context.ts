import { TransferType } from "../usb/urb.ts";
import type { Bus } from "./bus.ts";
import { EndpointType } from "./contexts.ts";
import { addressOf, TRB_SIZE } from "./trb.ts";

/** What an endpoint context asks for (xHCI §6.2.3). */
export interface EndpointPlan {
  readonly type: TransferType;
  /** False for the default control endpoint. */
  readonly isIncoming: boolean;
  /** Service interval in microframes. */
  readonly interval: number;
  readonly bytesPerInterval: number;
  readonly dequeue: number;
  readonly cycle: number;
}

/** Bit 2 of EP Type. */
const INCOMING = 4;
const INTERVAL_MAX = 15;
const MAX_STREAMS = 0x1f << 10;

/** By the other bits of EP Type. */
const TYPES = [TransferType.control, TransferType.isochronous, TransferType.bulk, TransferType.interrupt];

/** Nothing for an endpoint that cannot be at that place, or that has streams: HCCPARAMS1.MaxPSASize is 0. */
export function readEndpointContext(bus: Bus, dci: number, context: number): EndpointPlan | undefined {
  const first = bus.load(context);
  const second = bus.load(context + 4);
  const kind = (second >> 3) & 7;
  const isControl = kind === EndpointType.control;
  const isIncoming = !isControl && (kind & INCOMING) !== 0;
  if (kind === 0 || (first & MAX_STREAMS) !== 0 || isControl !== (dci === 1)) return undefined;
  if (!isControl && isIncoming !== ((dci & 1) !== 0)) return undefined;
  const low = bus.load(context + 8);
  return {
    type: TYPES[kind & 3]!,
    isIncoming,
    interval: 1 << Math.min((first >> 16) & 0xff, INTERVAL_MAX),
    bytesPerInterval: (second >>> 16) * (((second >> 8) & 15) + 1),
    dequeue: addressOf(low, bus.load(context + 12), TRB_SIZE),
    cycle: low & 1,
  };
}
