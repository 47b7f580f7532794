import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, type Urb, UrbFlag } from "../../src/usb/urb.ts";
import { errnoOf, statusOf } from "../../src/usbip/errno.ts";
import {
  CmdSubmit,
  CmdUnlink,
  Command,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
  OpCommon,
  RetSubmit,
  RetUnlink,
} from "../../src/usbip/pdu.ts";
import { UsbipServer } from "../../src/usbip/server.ts";
import { DEVID, IMPORT } from "../support/usbip-wire-client.ts";

const BODY = HeaderBasic.size;
const IMPORT_REPLY_SIZE = 320;

/**
 * A device on the far side of a USB/IP server: what a kernel would see of it, as a `UsbDevice` again, so that
 * the promises of the waist can be checked through the wire. Bytes travel in pieces of a changing size.
 */
export class UsbipImport implements UsbDevice {
  readonly #device: UsbDevice;
  #server: UsbipServer | undefined;
  #host: UsbHost | undefined;
  #loop: Loop | undefined;
  #opened: ((refused?: OpenError) => void) | undefined;
  #toServer: Uint8Array[] = [];
  #unread: Uint8Array = new Uint8Array(0);
  #seqnum = 1;
  #piece = 1;
  readonly #bySeqnum = new Map<number, Urb>();
  /** CMD_UNLINK to the CMD_SUBMIT it cancels. */
  readonly #unlinks = new Map<number, number>();
  #whenIdle: (() => void) | undefined;

  constructor(device: UsbDevice) {
    this.#device = device;
  }

  get speed(): UsbDevice["speed"] {
    return this.#device.speed;
  }

  get descriptors(): Uint8Array {
    return this.#device.descriptors;
  }

  get configuration(): number {
    return this.#device.configuration;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    this.#host = host;
    this.#loop = loop;
    this.#opened = done;
    const exported = {
      busid: "1-2",
      path: "/x",
      busnum: 1,
      devnum: 2,
      device: this.#device,
      attached: false,
    };
    this.#server = new UsbipServer({ devices: () => [exported], find: () => exported }, loop, {
      write: (chunks, written) => {
        const bytes = Uint8Array.from(Buffer.concat(chunks));
        loop.soon(() => {
          written();
          this.#fromServer(bytes);
        });
      },
      // Behind the answers that are still on their way.
      end: () => loop.soon(() => this.#host!.unplugged()),
      imported: () => {},
    });
    this.#toServer.push(IMPORT);
    this.flush();
  }

  submit(urb: Urb): void {
    const seqnum = this.#seqnum++;
    this.#bySeqnum.set(seqnum, urb);
    const payload = isIn(urb.endpoint) ? 0 : urb.length;
    const bytes = new Uint8Array(HEADER_SIZE + payload + urb.packetCount * IsoPacket.size);
    const header = {
      command: Command.CMD_SUBMIT,
      seqnum,
      devid: DEVID,
      direction: isIn(urb.endpoint) ? 1 : 0,
      ep: urb.endpoint & 15,
    };
    HeaderBasic.encodeInto(header, bytes, 0);
    const shortNotOk = (urb.flags & UrbFlag.shortNotOk) !== 0;
    const body = {
      transfer_flags: shortNotOk ? 1 : 0,
      transfer_buffer_length: urb.length,
      start_frame: urb.startFrame,
      number_of_packets: urb.packetCount,
      interval: urb.interval,
      setup: urb.setup,
    };
    CmdSubmit.encodeInto(body, bytes, BODY);
    bytes.set(urb.buffer.subarray(urb.offset, urb.offset + payload), HEADER_SIZE);
    for (let i = 0; i < urb.packetCount; i++) {
      const [offset, length] = urb.packets.subarray(i * PACKET_WORDS);
      const packet = {
        offset: offset!,
        length: length!,
        actual_length: 0,
        status: errnoOf(TransferStatus.notDone),
      };
      IsoPacket.encodeInto(packet, bytes, HEADER_SIZE + payload + i * IsoPacket.size);
    }
    this.#toServer.push(bytes);
  }

  cancel(urb: Urb): void {
    for (const [submitted, held] of this.#bySeqnum) {
      if (held !== urb) continue;
      const seqnum = this.#seqnum++;
      this.#unlinks.set(seqnum, submitted);
      const bytes = new Uint8Array(HEADER_SIZE);
      HeaderBasic.encodeInto(
        { command: Command.CMD_UNLINK, seqnum, devid: DEVID, direction: 0, ep: 0 },
        bytes,
        0,
      );
      CmdUnlink.put.seqnum(bytes, BODY, submitted);
      this.#toServer.push(bytes);
    }
  }

  flush(): void {
    const bytes = Buffer.concat(this.#toServer.splice(0));
    for (let at = 0; at < bytes.length; ) {
      this.#piece = (this.#piece * 7 + 1) % 1000;
      const piece = bytes.subarray(at, at + this.#piece + 1);
      at += piece.length;
      this.#loop!.soon(() => this.#server!.receive(piece));
    }
  }

  /** USB/IP has no reset of its own; the request of usbip-win2 is covered by the tests of the server. */
  reset(done: (status: TransferStatus) => void): void {
    this.#cancelAll(() => this.#device.reset(done));
  }

  close(done: () => void): void {
    this.#cancelAll(() => this.#server!.disconnected(done));
  }

  #cancelAll(then: () => void): void {
    this.#whenIdle = then;
    for (const urb of new Set(this.#bySeqnum.values())) this.cancel(urb);
    this.flush();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#bySeqnum.size > 0) return;
    const then = this.#whenIdle;
    this.#whenIdle = undefined;
    then?.();
  }

  #fromServer(bytes: Uint8Array): void {
    this.#unread = Uint8Array.from(Buffer.concat([this.#unread, bytes]));
    if (this.#opened !== undefined && !this.#readImportReply()) return;
    while (this.#unread.length >= HEADER_SIZE && this.#readReply());
    this.#checkIdle();
  }

  #readImportReply(): boolean {
    const refused = OpCommon.status(this.#unread, 0) !== 0;
    if (!refused && this.#unread.length < IMPORT_REPLY_SIZE) return false;
    this.#unread = this.#unread.subarray(refused ? OpCommon.size : IMPORT_REPLY_SIZE);
    const opened = this.#opened;
    this.#opened = undefined;
    opened!(refused ? { reason: "busy", message: "the server refuses the import" } : undefined);
    return true;
  }

  /** Takes one reply; false while it is not whole. */
  #readReply(): boolean {
    const bytes = this.#unread;
    const seqnum = HeaderBasic.seqnum(bytes, 0);
    if (HeaderBasic.command(bytes, 0) === Command.RET_UNLINK) {
      this.#unread = bytes.subarray(HEADER_SIZE);
      const submitted = this.#unlinks.get(seqnum)!;
      this.#unlinks.delete(seqnum);
      if (RetUnlink.status(bytes, BODY) !== 0) this.#complete(submitted, TransferStatus.cancelled, 0);
      return true;
    }
    const urb = this.#bySeqnum.get(seqnum);
    if (urb === undefined) throw new Error(`RET_SUBMIT ${seqnum} belongs to no request`);
    const actualLength = RetSubmit.actual_length(bytes, BODY);
    const payload = isIn(urb.endpoint) ? actualLength : 0;
    const size = HEADER_SIZE + payload + urb.packetCount * IsoPacket.size;
    if (bytes.length < size) return false;
    this.#unread = bytes.subarray(size);
    const data = bytes.subarray(HEADER_SIZE, HEADER_SIZE + payload);
    if (urb.packetCount === 0) urb.buffer.set(data, urb.offset);
    else readPackets(urb, data, bytes.subarray(HEADER_SIZE + payload, size));
    urb.errorCount = RetSubmit.error_count(bytes, BODY);
    this.#complete(seqnum, statusOf(RetSubmit.status(bytes, BODY)), actualLength);
    return true;
  }

  #complete(seqnum: number, status: TransferStatus, actualLength: number): void {
    const urb = this.#bySeqnum.get(seqnum)!;
    this.#bySeqnum.delete(seqnum);
    urb.status = status;
    urb.actualLength = actualLength;
    this.#host!.complete(urb);
  }
}

function readPackets(urb: Urb, data: Uint8Array, descriptors: Uint8Array): void {
  let from = 0;
  for (let i = 0; i < urb.packetCount; i++) {
    const actual = IsoPacket.actual_length(descriptors, i * IsoPacket.size);
    urb.packets[i * PACKET_WORDS + PacketWord.actualLength] = actual;
    urb.packets[i * PACKET_WORDS + PacketWord.status] = statusOf(
      IsoPacket.status(descriptors, i * IsoPacket.size),
    );
    if (!isIn(urb.endpoint)) continue;
    urb.buffer.set(data.subarray(from, from + actual), urb.offset + urb.packets[i * PACKET_WORDS]!);
    from += actual;
  }
}
