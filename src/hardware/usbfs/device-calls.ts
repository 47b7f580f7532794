import { Arena } from "../../linux/arena.ts";
import { CallList } from "../../linux/call-list.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { DriverClaim } from "./driver-claim.ts";
import { DISCONNECT_CLAIM_EXCEPT_DRIVER, Size, USBDEVFS } from "./usbdevfs.ts";

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;

/** Arguments of one list: a configuration has 32 interfaces at most that usbfs can claim, each named twice. */
const BYTES = 32 << 10;
const ALIGNMENT = 8;

/** The driver that an open device node claims interfaces for. */
const USBFS = "usbfs";

/** Calls about one device that may take long, with the memory of their arguments. The adders answer the place of a result. */
export class DeviceCalls {
  readonly list = new CallList();
  readonly #arena: Arena;
  readonly #view: DataView;
  #used = 0;

  private constructor(arena: Arena) {
    this.#arena = arena;
    const { buffer, byteOffset, byteLength } = arena.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  static open(): DeviceCalls | SystemError {
    const arena = Arena.anonymous(BYTES);
    return arena instanceof SystemError ? arena : new DeviceCalls(arena);
  }

  clear(): void {
    this.list.clear();
    this.#used = 0;
  }

  /** Opens the device node; its result is the descriptor. */
  openNode(path: string): number {
    const text = new TextEncoder().encode(`${path}\0`);
    const at = this.#take(text.length);
    this.#arena.bytes.set(text, at);
    return this.list.open(this.#arena.address + at, O_RDWR | O_CLOEXEC);
  }

  /** `readWord` of the answered place tells the capabilities. */
  capabilities(fd: number): { readonly result: number; readonly at: number } {
    const at = this.#word(0);
    return { result: this.list.ioctl(fd, USBDEVFS.GET_CAPABILITIES, this.#arena.address + at), at };
  }

  /** `readName` of the answered place tells who has the interface; the call fails if nobody has. */
  driver(fd: number, interfaceNumber: number): { readonly result: number; readonly at: number } {
    const at = this.#take(Size.getDriver);
    this.#view.setUint32(at, interfaceNumber, true);
    return { result: this.list.ioctl(fd, USBDEVFS.GETDRIVER, this.#arena.address + at), at: at + 4 };
  }

  /** A control read of the device itself; its result is the length of what `readBytes` of the answered place gives. */
  controlIn(
    fd: number,
    setup: Uint8Array,
    length: number,
    timeoutMs: number,
  ): { readonly result: number; readonly at: number } {
    const data = this.#take(length);
    const at = this.#take(Size.control);
    // bRequestType to wLength are those of the setup packet, in the byte order of these machines.
    this.#arena.bytes.set(setup, at);
    this.#view.setUint32(at + 8, timeoutMs, true);
    this.#view.setBigUint64(at + 16, BigInt(this.#arena.address + data), true);
    return { result: this.list.ioctl(fd, USBDEVFS.CONTROL, this.#arena.address + at), at: data };
  }

  readBytes(at: number, length: number): Uint8Array {
    return this.#arena.bytes.slice(at, at + length);
  }

  readWord(at: number): number {
    return this.#view.getUint32(at, true);
  }

  readName(at: number): string {
    const bytes = this.#arena.bytes.slice(at, at + Size.getDriver - 4);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** Takes the interface from its driver, unless that is another program. */
  claim(fd: number, interfaceNumber: number): number {
    const at = this.#take(Size.disconnectClaim);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, DISCONNECT_CLAIM_EXCEPT_DRIVER, true);
    this.#arena.bytes.set(new TextEncoder().encode(USBFS), at + 8);
    return this.list.ioctl(fd, USBDEVFS.DISCONNECT_CLAIM, this.#arena.address + at);
  }

  release(fd: number, interfaceNumber: number): number {
    return this.list.ioctl(fd, USBDEVFS.RELEASEINTERFACE, this.#arena.address + this.#word(interfaceNumber));
  }

  /** Lets the kernel look for a driver. */
  connect(fd: number, interfaceNumber: number): number {
    const at = this.#take(Size.ioctl);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, USBDEVFS.CONNECT, true);
    return this.list.ioctl(fd, USBDEVFS.IOCTL, this.#arena.address + at);
  }

  reset(fd: number): number {
    return this.list.ioctl(fd, USBDEVFS.RESET, 0);
  }

  /** No interface may be claimed. */
  setConfiguration(fd: number, value: number): number {
    return this.list.ioctl(fd, USBDEVFS.SETCONFIGURATION, this.#arena.address + this.#word(value));
  }

  setInterface(fd: number, interfaceNumber: number, alternate: number): number {
    const at = this.#take(Size.setInterface);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, alternate, true);
    return this.list.ioctl(fd, USBDEVFS.SETINTERFACE, this.#arena.address + at);
  }

  clearHalt(fd: number, endpoint: number): number {
    return this.list.ioctl(fd, USBDEVFS.CLEAR_HALT, this.#arena.address + this.#word(endpoint));
  }

  /** Resets the device, and lets the drivers have it that it was taken from. No interface may be claimed. */
  restore(fd: number, claim: DriverClaim, configuration: number): void {
    this.reset(fd);
    // With a new configuration the kernel looks for drivers by itself.
    if (configuration !== claim.configuration) this.setConfiguration(fd, claim.configuration);
    else for (const { interfaceNumber } of claim.drivers) this.connect(fd, interfaceNumber);
  }

  /** When nothing of it is under way. */
  close(): void {
    this.#arena.free();
  }

  #word(value: number): number {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
    return at;
  }

  #take(bytes: number): number {
    const at = this.#used;
    this.#used = at + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    this.#arena.bytes.fill(0, at, this.#used);
    return at;
  }
}
