import type { TransferCounters } from "../../src/usb/transfer-counters.ts";
import type { SessionTrace } from "../../src/usb/urb-trace.ts";
import type { ExportedDevice, Exports } from "../../src/usbip/exports.ts";
import {
  CmdSubmit,
  CmdUnlink,
  Command,
  Direction,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
} from "../../src/usbip/pdu.ts";
import { type EndCause, UsbipServer } from "../../src/usbip/server.ts";
import type { SessionLimits } from "../../src/usbip/session-limits.ts";
import { annotatedHex, toHex } from "./annotated-hex.ts";
import { ManualLoop } from "./manual-loop.ts";

export const DEVID = 0x00010002;

/** OP_REQ_IMPORT of bus id 1-2. */
export const IMPORT = annotatedHex(`
  0111                                                                 version
  8003                                                                 OP_REQ_IMPORT
  00000000                                                             status
  312d320000000000 0000000000000000 0000000000000000 0000000000000000  busid "1-2"
`);

export interface SubmitOptions {
  readonly seqnum: number;
  readonly in?: boolean;
  readonly ep?: number;
  readonly length?: number;
  readonly flags?: number;
  readonly setup?: string;
  readonly payload?: Uint8Array;
  readonly devid?: number;
  /** -1 when there are no packets and nothing else is asked for. */
  readonly numberOfPackets?: number;
  /** [offset, length] of each packet. */
  readonly packets?: readonly (readonly [number, number])[];
}

/** CMD_SUBMIT with all that belongs to it. */
export function submit(options: SubmitOptions): Uint8Array {
  const packets = options.packets ?? [];
  const payload = options.payload ?? new Uint8Array(0);
  const bytes = new Uint8Array(HEADER_SIZE + payload.length + packets.length * IsoPacket.size);
  const direction = options.in === true ? Direction.IN : Direction.OUT;
  const { seqnum, devid = DEVID, ep = 1 } = options;
  HeaderBasic.encodeInto({ command: Command.CMD_SUBMIT, seqnum, devid, direction, ep }, bytes, 0);
  const body = {
    transfer_flags: options.flags ?? 0,
    transfer_buffer_length: options.length ?? payload.length,
    start_frame: 0,
    number_of_packets: options.numberOfPackets ?? (packets.length > 0 ? packets.length : -1),
    interval: 0,
    setup: annotatedHex(options.setup ?? ""),
  };
  CmdSubmit.encodeInto(body, bytes, HeaderBasic.size);
  bytes.set(payload, HEADER_SIZE);
  for (const [index, [offset, length]] of packets.entries()) {
    const at = HEADER_SIZE + payload.length + index * IsoPacket.size;
    IsoPacket.encodeInto({ offset, length, actual_length: 0, status: -18 }, bytes, at);
  }
  return bytes;
}

/** CMD_UNLINK of the request `unlinked`. */
export function unlink(seqnum: number, unlinked: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.encodeInto(
    { command: Command.CMD_UNLINK, seqnum, devid: DEVID, direction: 0, ep: 0 },
    bytes,
    0,
  );
  CmdUnlink.put.seqnum(bytes, HeaderBasic.size, unlinked);
  return bytes;
}

/** A server engine with the wire in the test's hands. */
export class ServedWire {
  readonly loop = new ManualLoop();
  readonly server: UsbipServer;
  /** Why the server ended the conversation, once it did. */
  ended: EndCause | undefined;
  /** Set to false to be a peer that does not read. */
  reading = true;
  counters: TransferCounters | undefined;
  /** Bytes of each chunk of the last write. */
  lastChunks: readonly number[] = [];
  #written = "";
  readonly #unread: (() => void)[] = [];

  constructor(exports: Exports, limits?: SessionLimits, trace?: SessionTrace) {
    const output = {
      write: (chunks: readonly Uint8Array[], written: () => void) => {
        for (const chunk of chunks) this.#written += toHex(chunk);
        this.lastChunks = chunks.map((chunk) => chunk.length);
        if (this.reading) written();
        else this.#unread.push(written);
      },
      end: (cause: EndCause) => {
        this.ended = cause;
      },
      imported: (_exported: ExportedDevice, counters: TransferCounters) => {
        this.counters = counters;
      },
    };
    this.server = new UsbipServer(exports, this.loop, output, limits, trace);
  }

  /** In one piece, which is spoiled afterwards: bytes are not kept after the call. */
  send(...messages: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(messages);
    this.server.receive(bytes);
    bytes.fill(0xdd);
  }

  /** Reads everything that was left lying. */
  read(): void {
    this.reading = true;
    for (const written of this.#unread.splice(0)) written();
  }

  /** Hex of what came since the last call. */
  received(): string {
    this.loop.settle();
    const bytes = this.#written;
    this.#written = "";
    return bytes;
  }
}
