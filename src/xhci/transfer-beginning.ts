import { Recipient, Setup, StandardRequest } from "../usb/setup.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType, UrbFlag } from "../usb/urb.ts";
import type { Bus } from "./bus.ts";
import { CompletionCode } from "./completion-code.ts";
import type { Endpoint } from "./endpoint.ts";
import { readControl, readIsochronous, readNormal } from "./td-reader.ts";
import type { Transfer } from "./transfer.ts";
import { ALL_COPIED, gather } from "./transfer-data.ts";
import { TrbBit, TrbType } from "./trb.ts";
import { Fetched } from "./trb-ring.ts";

const { control, isochronous } = TransferType;

/** Microframes that a batch of isochronous TDs lasts, and how many it has at least and at most. */
const BATCH_MICROFRAMES = 64;
const BATCH_TDS_MIN = 8;
const BATCH_TDS_MAX = 32;

/** Reads what the endpoint's next URB stands for. */
export function readTransfer(endpoint: Endpoint, transfer: Transfer, bus: Bus): Fetched {
  if (endpoint.type === control) return readControl(endpoint.ring, bus, transfer);
  if (endpoint.type === isochronous) return readBatch(endpoint, transfer, bus);
  return readNormal(endpoint.ring, bus, transfer);
}

/** As many isochronous TDs as there are, up to a batch. One that does nothing is a batch of its own. */
function readBatch({ ring, interval }: Endpoint, transfer: Transfer, bus: Bus): Fetched {
  const most = Math.min(Math.max(BATCH_MICROFRAMES / interval, BATCH_TDS_MIN), BATCH_TDS_MAX);
  for (let tds = 0; tds < most; tds++) {
    const { dequeue, cycle } = ring;
    const { count } = transfer;
    const fetched = readIsochronous(ring, bus, transfer);
    const isIdle = fetched === Fetched.trb && transfer.type(count) === TrbType.NO_OP;
    if (tds === 0 && (fetched !== Fetched.trb || isIdle)) return fetched;
    if (fetched === Fetched.trb && !isIdle) continue;
    ring.move(dequeue, cycle);
    transfer.truncate(count);
    transfer.tds.pop();
    break;
  }
  return Fetched.trb;
}

/** Makes the URB of what was read, or says why it goes to no device. */
export function describe(transfer: Transfer, endpoint: Endpoint): void {
  const { urb } = transfer;
  urb.type = endpoint.type;
  urb.endpoint = endpoint.address;
  urb.interval = 0;
  urb.length = transfer.bytes;
  transfer.hasUrb = true;
  if (endpoint.type === control) {
    describeControl(transfer);
  } else if (endpoint.type === isochronous) {
    urb.interval = endpoint.intervalOfBus;
    urb.flags = UrbFlag.isoAsap;
    transfer.hasUrb = transfer.type(0) === TrbType.ISOCH;
    if (transfer.hasUrb) describePackets(transfer);
  } else {
    if (endpoint.type === TransferType.interrupt) urb.interval = endpoint.intervalOfBus;
    if (isIn(urb.endpoint)) urb.flags = UrbFlag.mayLend;
    transfer.hasUrb = transfer.has(TrbType.NORMAL);
  }
}

function describeControl(transfer: Transfer): void {
  const { urb } = transfer;
  const { setup } = urb;
  transfer.hasUrb = !transfer.has(TrbType.NO_OP);
  if (!transfer.hasUrb) return;
  for (let i = 0; i < 8; i++) setup[i] = transfer.words[i >> 2]! >>> (8 * (i & 3));
  const incoming = isIn(setup[0]!);
  const hasData = transfer.type(1) === TrbType.DATA;
  if (hasData && incoming !== ((transfer.control(1) & TrbBit.DIR) !== 0)) {
    transfer.refuse(CompletionCode.TRB, 1);
    return;
  }
  const isSetAddress =
    Setup.bmRequestType(setup, 0) === Recipient.device &&
    Setup.bRequest(setup, 0) === StandardRequest.SET_ADDRESS;
  // The address is the controller's own business (xHCI §4.6.5).
  if (isSetAddress) transfer.refuse(CompletionCode.STALL, transfer.count - 1);
  // Windows asks for more than it has room for.
  const wLength = Setup.wLength(setup, 0);
  urb.length = incoming ? wLength : Math.min(wLength, transfer.bytes);
  urb.endpoint = incoming && wLength > 0 ? 0x80 : 0x00;
  if (incoming) urb.flags = UrbFlag.mayLend;
}

function describePackets(transfer: Transfer): void {
  const { urb, tds } = transfer;
  urb.packetCount = tds.length;
  if (urb.packets.length < BATCH_TDS_MAX * PACKET_WORDS) {
    urb.packets = new Int32Array(BATCH_TDS_MAX * PACKET_WORDS);
  }
  let offset = 0;
  for (let td = 0; td < tds.length; td++) {
    let length = 0;
    for (let trb = tds[td]!; trb < transfer.tdEnd(td); trb++) length += transfer.dataLength(trb);
    const word = td * PACKET_WORDS;
    urb.packets[word + PacketWord.offset] = offset;
    urb.packets[word + PacketWord.length] = length;
    urb.packets[word + PacketWord.actualLength] = 0;
    urb.packets[word + PacketWord.status] = TransferStatus.notDone;
    offset += length;
  }
}

/** Puts the data of an OUT transfer into its memory, where it is not there already. */
export function fill(transfer: Transfer, bus: Bus): void {
  const { urb, buffer } = transfer;
  urb.buffer = buffer;
  urb.offset = 0;
  if (isIn(urb.endpoint)) return;
  if (urb.type === isochronous) {
    for (let td = 0; td < urb.packetCount; td++) {
      const at = urb.packets[td * PACKET_WORDS + PacketWord.offset]!;
      const faulty = gather(transfer, bus, transfer.tds[td]!, transfer.tdEnd(td), at);
      if (faulty !== ALL_COPIED) transfer.faultyTds |= 1 << td;
    }
  } else if (urb.length > 0) {
    const faulty = gather(transfer, bus, 0, transfer.count, 0);
    if (faulty !== ALL_COPIED) transfer.refuse(CompletionCode.DATA_BUFFER, faulty);
  }
}
