import { closeSync, openSync, readFileSync } from "node:fs";
import { ioctl, ioctlInThread, Memory, watchWritable } from "./system-calls.ts";

/** linux: include/uapi/linux/usbdevice_fs.h, on 64-bit */
const USBDEVFS = {
  SETINTERFACE: 0x80085504,
  SETCONFIGURATION: 0x80045505,
  SUBMITURB: 0x8038550a,
  DISCARDURB: 0x550b,
  REAPURBNDELAY: 0x4008550d,
  CLAIMINTERFACE: 0x8004550f,
  RELEASEINTERFACE: 0x80045510,
  IOCTL: 0xc0105512,
  RESET: 0x5514,
  CLEAR_HALT: 0x80045515,
  DISCONNECT: 0x5516,
  CONNECT: 0x5517,
} as const;

export const URB_TYPE = { isochronous: 0, interrupt: 1, control: 2, bulk: 3 } as const;

const URB_SIZE = 56;
const PACKET_SIZE = 12;

/** What a transfer asks for. */
export interface UsbfsTransfer {
  readonly type: keyof typeof URB_TYPE;
  /** With the direction bit. */
  readonly endpoint: number;
  /** Data to send, or how many bytes to receive. For control transfers the data starts with the eight bytes of setup. */
  readonly data: Uint8Array | number;
  /** USBDEVFS_URB_ flags. */
  readonly flags?: number;
  /** Lengths of isochronous packets. */
  readonly packets?: readonly number[];
}

export interface UsbfsResult {
  /** 0, or an errno as a negative number. */
  readonly status: number;
  readonly actualLength: number;
  readonly errorCount: number;
  /** The `actualLength` bytes moved, without setup; for isochronous transfers the whole buffer. */
  readonly data: Buffer;
  readonly packets: readonly { readonly status: number; readonly actualLength: number }[];
}

interface InFlight {
  readonly urb: Memory;
  readonly buffer: Memory;
  readonly resolve: (result: UsbfsResult) => void;
}

/** A submitted transfer. */
export interface UsbfsUrb {
  readonly completed: Promise<UsbfsResult>;
  /** Answers 0, or -22 (EINVAL) where it had completed already. */
  discard(): number;
}

/** /dev/bus/usb/BBB/DDD of a device as sysfs names it, `3-1` say. */
export function deviceNode(sysfsName: string): string {
  const number = (name: string): string =>
    readFileSync(`/sys/bus/usb/devices/${sysfsName}/${name}`, "utf8").trim().padStart(3, "0");
  return `/dev/bus/usb/${number("busnum")}/${number("devnum")}`;
}

/** A USB device of the guest's kernel through usbfs. Calls answer 0 or a negative errno, as the kernel does. */
export class UsbfsDevice {
  readonly #fd: number;
  readonly #inFlight = new Map<bigint, InFlight>();
  readonly #reaped = new Memory(8);
  #unwatch: (() => void) | undefined;

  constructor(node: string) {
    this.#fd = openSync(node, "r+");
  }

  claim(interfaceNumber: number): number {
    return this.#withWords(USBDEVFS.CLAIMINTERFACE, interfaceNumber);
  }

  release(interfaceNumber: number): number {
    return this.#withWords(USBDEVFS.RELEASEINTERFACE, interfaceNumber);
  }

  selectAlternate(interfaceNumber: number, alternate: number): number {
    return this.#withWords(USBDEVFS.SETINTERFACE, interfaceNumber, alternate);
  }

  configure(configuration: number): number {
    return this.#withWords(USBDEVFS.SETCONFIGURATION, configuration);
  }

  clearHalt(endpoint: number): number {
    return this.#withWords(USBDEVFS.CLEAR_HALT, endpoint);
  }

  async reset(): Promise<number> {
    const unused = new Memory(8);
    const result = await ioctlInThread(this.#fd, USBDEVFS.RESET, unused);
    unused.free();
    return result;
  }

  /** Takes the interface from the driver that has it. */
  disconnectDriver(interfaceNumber: number): Promise<number> {
    return this.driverIoctl(interfaceNumber, USBDEVFS.DISCONNECT, Buffer.alloc(0));
  }

  /** Lets the kernel look for a driver. */
  connectDriver(interfaceNumber: number): Promise<number> {
    return this.driverIoctl(interfaceNumber, USBDEVFS.CONNECT, Buffer.alloc(0));
  }

  /** An ioctl of the interface's driver; `data` goes in and comes out. Waits in a thread. */
  async driverIoctl(interfaceNumber: number, code: number, data: Buffer): Promise<number> {
    const argument = new Memory(16 + data.length);
    argument.bytes.writeInt32LE(interfaceNumber, 0); // ifno
    argument.bytes.writeUInt32LE(code, 4); // ioctl_code
    if (data.length > 0) argument.bytes.writeBigUInt64LE(argument.address + 16n, 8); // data
    data.copy(argument.bytes, 16);
    const result = await ioctlInThread(this.#fd, USBDEVFS.IOCTL, argument);
    argument.bytes.copy(data, 0, 16);
    argument.free();
    return result;
  }

  submit(transfer: UsbfsTransfer): UsbfsUrb {
    const { data, packets = [] } = transfer;
    const length = typeof data === "number" ? data : data.length;
    const urb = new Memory(URB_SIZE + PACKET_SIZE * packets.length);
    const buffer = new Memory(Math.max(1, length));
    if (typeof data !== "number") buffer.bytes.set(data);
    urb.bytes.writeUInt8(URB_TYPE[transfer.type], 0); // type
    urb.bytes.writeUInt8(transfer.endpoint, 1); // endpoint
    urb.bytes.writeUInt32LE(transfer.flags ?? 0, 8); // flags
    urb.bytes.writeBigUInt64LE(buffer.address, 16); // buffer
    urb.bytes.writeInt32LE(length, 24); // buffer_length
    urb.bytes.writeInt32LE(packets.length, 36); // number_of_packets
    for (const [index, size] of packets.entries())
      urb.bytes.writeUInt32LE(size, URB_SIZE + PACKET_SIZE * index);

    const completed = new Promise<UsbfsResult>((resolve) =>
      this.#inFlight.set(urb.address, { urb, buffer, resolve }),
    );
    const result = ioctl(this.#fd, USBDEVFS.SUBMITURB, urb);
    if (result < 0) this.#finish(urb.address, result);
    this.#unwatch ??= watchWritable(this.#fd, () => this.#reap());
    return {
      completed,
      discard: () => (this.#inFlight.has(urb.address) ? ioctl(this.#fd, USBDEVFS.DISCARDURB, urb) : -22),
    };
  }

  /** One transfer, to its completion. */
  transfer(transfer: UsbfsTransfer): Promise<UsbfsResult> {
    return this.submit(transfer).completed;
  }

  close(): void {
    this.#unwatch?.();
    closeSync(this.#fd); // the kernel cancels what is in flight and stops touching our memory
    for (const { urb, buffer } of this.#inFlight.values()) {
      urb.free();
      buffer.free();
    }
    this.#reaped.free();
  }

  #withWords(request: number, ...words: readonly number[]): number {
    const argument = new Memory(words.length * 4);
    for (const [index, word] of words.entries()) argument.bytes.writeUInt32LE(word, index * 4);
    const result = ioctl(this.#fd, request, argument);
    argument.free();
    return result;
  }

  #reap(): void {
    for (;;) {
      if (ioctl(this.#fd, USBDEVFS.REAPURBNDELAY, this.#reaped) < 0) break; // EAGAIN, or ENODEV: no more will come
      this.#finish(this.#reaped.bytes.readBigUInt64LE(0));
    }
    if (this.#inFlight.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #finish(address: bigint, refused?: number): void {
    const entry = this.#inFlight.get(address);
    if (!entry) return;
    this.#inFlight.delete(address);
    const { urb, buffer, resolve } = entry;
    const count = urb.bytes.readInt32LE(36); // number_of_packets
    const actualLength = urb.bytes.readInt32LE(28); // actual_length
    const packets = Array.from({ length: count }, (_, index) => ({
      actualLength: urb.bytes.readUInt32LE(URB_SIZE + PACKET_SIZE * index + 4),
      status: urb.bytes.readInt32LE(URB_SIZE + PACKET_SIZE * index + 8),
    }));
    // actual_length does not count a control transfer's setup, which stands first in the buffer.
    const start = urb.bytes.readUInt8(0) === URB_TYPE.control ? 8 : 0;
    const data = Buffer.from(count > 0 ? buffer.bytes : buffer.bytes.subarray(start, start + actualLength));
    const status = refused ?? urb.bytes.readInt32LE(4);
    const errorCount = urb.bytes.readInt32LE(40);
    urb.free();
    buffer.free();
    resolve({ status, actualLength, errorCount, data, packets });
  }
}
