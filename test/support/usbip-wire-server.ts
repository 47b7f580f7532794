import type { UsbHost } from "../../src/usb/device.ts";
import { createUrb, PACKET_WORDS, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { ImportedDevice } from "../../src/usbip/imported-device.ts";
import {
  CmdSubmit,
  Command,
  type DeviceRecordValue,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
  RetSubmit,
  RetUnlink,
} from "../../src/usbip/pdu.ts";
import type { SessionLimits } from "../../src/usbip/session-limits.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { HeldDevice } from "./held-device.ts";
import { ManualLoop } from "./manual-loop.ts";

const BODY = HeaderBasic.size;

export const RECORD: DeviceRecordValue = {
  path: "/held",
  busid: "1-2",
  busnum: 1,
  devnum: 2,
  speed: 3,
  idVendor: 0x1209,
  idProduct: 1,
  bcdDevice: 0x100,
  bDeviceClass: 0xff,
  bDeviceSubClass: 0,
  bDeviceProtocol: 0,
  bConfigurationValue: 1,
  bNumConfigurations: 1,
  bNumInterfaces: 1,
};

export interface ReplyOptions {
  readonly status?: number;
  /** Default: the length of `data`. */
  readonly actualLength?: number;
  readonly data?: Uint8Array;
  readonly numberOfPackets?: number;
  readonly errorCount?: number;
  /** [offset, length, actual length, status] of each packet. */
  readonly packets?: readonly (readonly [number, number, number, number])[];
}

/** RET_SUBMIT with all that belongs to it. */
export function retSubmit(seqnum: number, options: ReplyOptions = {}): Uint8Array {
  const { data = new Uint8Array(0), packets = [] } = options;
  const bytes = new Uint8Array(HEADER_SIZE + data.length + packets.length * IsoPacket.size);
  HeaderBasic.put.command(bytes, 0, Command.RET_SUBMIT);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetSubmit.put.status(bytes, BODY, options.status ?? 0);
  RetSubmit.put.actual_length(bytes, BODY, options.actualLength ?? data.length);
  RetSubmit.put.number_of_packets(bytes, BODY, options.numberOfPackets ?? packets.length);
  RetSubmit.put.error_count(bytes, BODY, options.errorCount ?? 0);
  bytes.set(data, HEADER_SIZE);
  for (const [index, [offset, length, actual_length, status]] of packets.entries()) {
    const at = HEADER_SIZE + data.length + index * IsoPacket.size;
    IsoPacket.encodeInto({ offset, length, actual_length, status }, bytes, at);
  }
  return bytes;
}

export function retUnlink(seqnum: number, status: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetUnlink.put.status(bytes, BODY, status);
  return bytes;
}

/** An open imported device whose host is the test: it sees each command and writes each reply. */
export class ImportedWire implements UsbHost {
  readonly loop = new ManualLoop();
  readonly device: ImportedDevice;
  /** Commands as they came, headers and all. */
  readonly commands: Uint8Array[] = [];
  /** [tag, status, actualLength] of each completion. */
  completions: [number, number, number][] = [];
  unplugs = 0;
  ended: ProtocolError | undefined;
  #tag = 0;

  constructor(limits?: SessionLimits) {
    const output = {
      write: (chunks: readonly Uint8Array[], written: () => void) => {
        for (const chunk of chunks) this.commands.push(Uint8Array.from(chunk));
        written();
      },
      end: (error: ProtocolError) => {
        this.ended = error;
      },
    };
    const device = ImportedDevice.of(RECORD, this.loop, output, limits);
    if (device instanceof ProtocolError) throw new Error(device.toString());
    this.device = device;
    let described = false;
    device.describe((failed) => {
      described = failed === undefined;
    });
    this.#describe();
    if (!described) throw new Error("the device did not describe itself");
    device.open(this, this.loop, (refused) => {
      if (refused !== undefined) throw new Error(refused.message);
    });
    this.commands.length = 0;
  }

  complete(urb: Urb): void {
    this.completions.push([urb.tag, urb.status, urb.actualLength]);
  }

  unplugged(): void {
    this.unplugs++;
  }

  /** Submits and flushes. */
  submit(endpoint: number, length: number, packets: readonly (readonly [number, number])[] = []): Urb {
    const urb = createUrb(this.#tag++);
    urb.endpoint = endpoint;
    urb.type = packets.length > 0 ? TransferType.isochronous : TransferType.bulk;
    urb.buffer = new Uint8Array(length).fill(0xbb);
    urb.length = length;
    urb.packetCount = packets.length;
    urb.packets = new Int32Array(packets.length * PACKET_WORDS);
    for (const [index, [offset, size]] of packets.entries()) {
      urb.packets.set([offset, size, 0, TransferStatus.notDone], index * PACKET_WORDS);
    }
    this.device.submit(urb);
    this.device.flush();
    return urb;
  }

  cancel(urb: Urb): void {
    this.device.cancel(urb);
    this.device.flush();
  }

  /** seqnum of the last command. */
  get seqnum(): number {
    return HeaderBasic.seqnum(this.commands.at(-1)!, 0);
  }

  reply(...replies: readonly Uint8Array[]): void {
    this.device.receive(Buffer.concat(replies));
    this.loop.settle();
  }

  /** Answers GET_DESCRIPTOR of the device and of its one configuration. */
  #describe(): void {
    const { descriptors } = new HeldDevice();
    for (let answered = 0; answered < this.commands.length; answered++) {
      const command = this.commands[answered]!;
      const length = CmdSubmit.transfer_buffer_length(command, BODY);
      const from = command[HEADER_SIZE - 5] === 1 ? 0 : 18;
      this.reply(
        retSubmit(HeaderBasic.seqnum(command, 0), { data: descriptors.subarray(from, from + length) }),
      );
    }
  }
}
