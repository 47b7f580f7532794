import { Arena } from "../../linux/arena.ts";
import { CallList } from "../../linux/call-list.ts";
import { callInThread } from "../../linux/call-thread.ts";
import { duplicate } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { OpenError } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { TransferStatus } from "../../usb/urb.ts";
import type { DeviceCalls } from "../device-calls.ts";
import type { ClaimedInterface } from "../driver-claim.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { refusedStatus } from "./errno-status.ts";
import { openRefusal } from "./open-refusal.ts";
import { DISCONNECT_CLAIM_EXCEPT_DRIVER, Size, USBDEVFS } from "./usbdevfs.ts";

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const CLOSED = -1;
const NO_CALL = -1;

/** Arguments of one list: a configuration has 32 interfaces at most that usbfs can claim, each named twice. */
const BYTES = 32 << 10;
const ALIGNMENT = 8;

/** The driver that an open device node claims interfaces for. */
const USBFS = "usbfs";

/** Where an answer to a call is. */
interface Answer {
  readonly place: number;
  readonly at: number;
}

/** Calls of usbfs about one device node, made in another thread, with the memory of their arguments. */
export class UsbfsCalls implements DeviceCalls {
  readonly list = new CallList();
  /** The open device node. Its number is forgotten with the list that closes it: another file may get it. */
  fd = CLOSED;
  /** What the kernel's usbfs can do with this device. */
  capabilities = 0;
  readonly #device: HardwareDevice;
  readonly #opened: number | undefined;
  readonly #arena: Arena;
  readonly #view: DataView;
  #used = 0;
  #closes = false;
  #capabilitiesAt = 0;
  #drivers: (Answer & { readonly interfaceNumber: number })[] = [];
  readonly #answers = new Map<number, number>();

  private constructor(device: HardwareDevice, opened: number | undefined, arena: Arena) {
    this.#device = device;
    this.#opened = opened;
    this.#arena = arena;
    const { buffer, byteOffset, byteLength } = arena.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** `opened` is the node, if somebody else has opened it. */
  static of(device: HardwareDevice, opened?: number): UsbfsCalls | SystemError {
    const arena = Arena.anonymous(BYTES);
    return arena instanceof SystemError ? arena : new UsbfsCalls(device, opened, arena);
  }

  clear(): void {
    this.list.clear();
    if (this.#closes) this.fd = CLOSED;
    this.#closes = false;
    this.#answers.clear();
    this.#used = 0;
  }

  make(loop: Loop, done: () => void): boolean {
    if (this.list.length === 0) return false;
    const watch = (fd: number, callback: () => void) => loop.watch(fd, "readable", callback);
    const failed = callInThread(this.list, watch, done);
    if (failed !== undefined) this.list.fail(failed.errno);
    return failed === undefined;
  }

  worked(place: number): boolean {
    return this.list.result(place) >= 0;
  }

  status(place: number): TransferStatus {
    const result = this.list.result(place);
    return result < 0 ? refusedStatus(-result) : TransferStatus.ok;
  }

  refusal(place: number, call: string): OpenError | undefined {
    const result = this.list.result(place);
    return result < 0 ? openRefusal(this.#device, call, -result) : undefined;
  }

  open(): number {
    if (this.#opened !== undefined) return NO_CALL;
    const text = new TextEncoder().encode(`${this.#device.node}\0`);
    const at = this.#take(text.length);
    this.#arena.bytes.set(text, at);
    return this.list.open(this.#arena.address + at, O_RDWR | O_CLOEXEC);
  }

  opened(place: number): OpenError | undefined {
    const call = `opening ${this.#device.node}`;
    const fd = this.#opened === undefined ? this.list.result(place) : duplicated(this.#opened);
    if (fd < 0) return openRefusal(this.#device, call, -fd);
    this.fd = fd;
    return undefined;
  }

  close(): void {
    this.list.close(this.fd);
    this.#closes = true;
  }

  look(interfaceNumbers: readonly number[]): void {
    this.#capabilitiesAt = this.#word(0);
    this.list.ioctl(this.fd, USBDEVFS.GET_CAPABILITIES, this.#arena.address + this.#capabilitiesAt);
    this.#drivers = interfaceNumbers.map((interfaceNumber) => {
      const at = this.#take(Size.getDriver);
      this.#view.setUint32(at, interfaceNumber, true);
      const place = this.list.ioctl(this.fd, USBDEVFS.GETDRIVER, this.#arena.address + at);
      return { interfaceNumber, place, at: at + 4 };
    });
  }

  looked(): readonly ClaimedInterface[] {
    this.capabilities = this.#view.getUint32(this.#capabilitiesAt, true);
    // The call fails if nobody has the interface.
    return this.#drivers
      .filter(({ place }) => this.worked(place))
      .map(({ interfaceNumber, at }) => ({ interfaceNumber, driver: this.#name(at) }));
  }

  claim(interfaceNumber: number): number {
    const at = this.#take(Size.disconnectClaim);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, DISCONNECT_CLAIM_EXCEPT_DRIVER, true);
    this.#arena.bytes.set(new TextEncoder().encode(USBFS), at + 8);
    return this.list.ioctl(this.fd, USBDEVFS.DISCONNECT_CLAIM, this.#arena.address + at);
  }

  release(interfaceNumber: number): number {
    const at = this.#word(interfaceNumber);
    return this.list.ioctl(this.fd, USBDEVFS.RELEASEINTERFACE, this.#arena.address + at);
  }

  connect(interfaceNumber: number): number {
    const at = this.#take(Size.ioctl);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, USBDEVFS.CONNECT, true);
    return this.list.ioctl(this.fd, USBDEVFS.IOCTL, this.#arena.address + at);
  }

  controlIn(setup: Uint8Array, length: number, timeoutMs: number): number {
    const data = this.#take(length);
    const at = this.#take(Size.control);
    // bRequestType to wLength are those of the setup packet, in the byte order of these machines.
    this.#arena.bytes.set(setup, at);
    this.#view.setUint32(at + 8, timeoutMs, true);
    this.#view.setBigUint64(at + 16, BigInt(this.#arena.address + data), true);
    const place = this.list.ioctl(this.fd, USBDEVFS.CONTROL, this.#arena.address + at);
    this.#answers.set(place, data);
    return place;
  }

  answer(place: number): Uint8Array {
    const at = this.#answers.get(place)!;
    return this.#arena.bytes.slice(at, at + Math.max(0, this.list.result(place)));
  }

  reset(claimed: readonly number[]): number {
    // The kernel would give interfaces that are claimed through usbfs to their drivers.
    for (const number of claimed) this.release(number);
    const place = this.list.ioctl(this.fd, USBDEVFS.RESET, 0);
    for (const number of claimed) this.claim(number);
    return place;
  }

  setConfiguration(value: number): number {
    return this.list.ioctl(this.fd, USBDEVFS.SETCONFIGURATION, this.#arena.address + this.#word(value));
  }

  setInterface(interfaceNumber: number, alternate: number): number {
    const at = this.#take(Size.setInterface);
    this.#view.setUint32(at, interfaceNumber, true);
    this.#view.setUint32(at + 4, alternate, true);
    return this.list.ioctl(this.fd, USBDEVFS.SETINTERFACE, this.#arena.address + at);
  }

  clearHalt(endpoint: number): number {
    return this.list.ioctl(this.fd, USBDEVFS.CLEAR_HALT, this.#arena.address + this.#word(endpoint));
  }

  /** When nothing of it is under way. */
  free(): void {
    this.#arena.free();
  }

  #name(at: number): string {
    const bytes = this.#arena.bytes.slice(at, at + Size.getDriver - 4);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
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

/** A negative error number if it fails, as calls have it. */
function duplicated(fd: number): number {
  const copy = duplicate(fd);
  return copy instanceof SystemError ? -copy.errno : copy;
}
