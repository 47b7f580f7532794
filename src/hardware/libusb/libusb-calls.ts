import type { OpenError } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { Setup } from "../../usb/setup.ts";
import { TransferStatus } from "../../usb/urb.ts";
import type { DeviceCalls } from "../device-calls.ts";
import type { ClaimedInterface } from "../driver-claim.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { LibusbError } from "./abi.ts";
import { listDevices } from "./device-list.ts";
import { refusedStatus } from "./error-status.ts";
import type { Libusb } from "./library.ts";
import { openRefusal } from "./open-refusal.ts";

/** libusb does not say which driver has an interface. */
const SOME_DRIVER = "kernel";

type Done = (result: number) => void;
/** One call, made when it is its turn. */
type Call = (done: Done) => void;

/** Calls of libusb about one device, each in a thread of libuv's, one after the other. */
export class LibusbCalls implements DeviceCalls {
  /** While the device is open; 0 otherwise. */
  context = 0;
  handle = 0;
  readonly #device: HardwareDevice;
  readonly #libusb: Libusb;
  readonly #letGo: (done: () => void) => void;
  #calls: Call[] = [];
  #results: number[] = [];
  #looked: { readonly interfaceNumber: number; readonly place: number }[] = [];
  readonly #answers = new Map<number, Uint8Array>();

  /** `letGo` ends the use of the open device, before it is closed. */
  constructor(device: HardwareDevice, library: Libusb, letGo: (done: () => void) => void) {
    this.#device = device;
    this.#libusb = library;
    this.#letGo = letGo;
  }

  clear(): void {
    this.#calls = [];
    this.#results = [];
    this.#answers.clear();
  }

  make(_loop: Loop, done: () => void): boolean {
    if (this.#calls.length === 0) return false;
    const next = (): void => {
      const call = this.#calls[this.#results.length];
      if (call === undefined) done();
      else
        call((result) => {
          this.#results.push(result);
          next();
        });
    };
    next();
    return true;
  }

  worked(place: number): boolean {
    return this.#results[place]! >= 0;
  }

  status(place: number): TransferStatus {
    const result = this.#results[place]!;
    return result < 0 ? refusedStatus(result) : TransferStatus.ok;
  }

  refusal(place: number, call: string): OpenError | undefined {
    const code = this.#results[place]!;
    if (code >= 0) return undefined;
    return openRefusal(this.#device, call, code, this.#libusb.errorName(code), process.platform);
  }

  open(): number {
    // A context of its own: what another device does, or keeps from being done, is nothing to this one, and its list is new.
    const out = new BigUint64Array(1);
    const place = this.#add((done) =>
      this.#libusb.init.async(out, (_, code) => {
        if (code !== 0) {
          done(code);
          return;
        }
        this.context = Number(out[0]);
        listDevices(this.#libusb, this.context, (list) => this.#openIn(list, done));
      }),
    );
    this.#add((done) => {
      if (this.handle !== 0) done(0);
      else this.#exit(done);
    });
    return place;
  }

  opened(place: number): OpenError | undefined {
    return this.refusal(place, "opening it");
  }

  close(): void {
    this.#add((done) => this.#letGo(() => done(0)));
    this.#add((done) => {
      const { handle } = this;
      this.handle = 0;
      this.#libusb.close.async(handle, () => this.#exit(done));
    });
  }

  look(interfaceNumbers: readonly number[]): void {
    this.#looked = interfaceNumbers.map((interfaceNumber) => ({
      interfaceNumber,
      place: this.#ask((done) => this.#libusb.kernelDriverActive.async(this.handle, interfaceNumber, done)),
    }));
  }

  looked(): readonly ClaimedInterface[] {
    return this.#looked
      .filter(({ place }) => this.#results[place] === 1)
      .map(({ interfaceNumber }) => ({ interfaceNumber, driver: SOME_DRIVER }));
  }

  claim(interfaceNumber: number): number {
    // It fails where no driver has it, and where the system knows no such thing.
    this.#ask((done) => this.#libusb.detachKernelDriver.async(this.handle, interfaceNumber, done));
    return this.#ask((done) => this.#libusb.claimInterface.async(this.handle, interfaceNumber, done));
  }

  release(interfaceNumber: number): number {
    return this.#ask((done) => this.#libusb.releaseInterface.async(this.handle, interfaceNumber, done));
  }

  connect(interfaceNumber: number): number {
    return this.#ask((done) => this.#libusb.attachKernelDriver.async(this.handle, interfaceNumber, done));
  }

  controlIn(setup: Uint8Array, length: number, timeoutMs: number): number {
    const bytes = new Uint8Array(length);
    const place = this.#ask((done) =>
      this.#libusb.controlTransfer.async(
        this.handle,
        setup[0],
        setup[1],
        Setup.wValue(setup, 0),
        Setup.wIndex(setup, 0),
        bytes,
        length,
        timeoutMs,
        done,
      ),
    );
    this.#answers.set(place, bytes);
    return place;
  }

  answer(place: number): Uint8Array {
    return this.#answers.get(place)!.subarray(0, Math.max(0, this.#results[place]!));
  }

  /** libusb itself keeps claimed interfaces from their drivers meanwhile. */
  reset(_claimed: readonly number[]): number {
    return this.#ask((done) =>
      this.#libusb.resetDevice.async(this.handle, (error, code) => {
        // The device has come back as another one, which this handle does not have.
        done(error, code === LibusbError.NOT_FOUND ? LibusbError.NO_DEVICE : code);
      }),
    );
  }

  setConfiguration(value: number): number {
    return this.#ask((done) => this.#libusb.setConfiguration.async(this.handle, value, done));
  }

  setInterface(interfaceNumber: number, alternate: number): number {
    return this.#ask((done) =>
      this.#libusb.setInterfaceAltSetting.async(this.handle, interfaceNumber, alternate, done),
    );
  }

  clearHalt(endpoint: number): number {
    return this.#ask((done) => this.#libusb.clearHalt.async(this.handle, endpoint, done));
  }

  /** It waits until the controller has let go of the transfer. */
  cancelTransfer(address: number): void {
    this.#ask((done) => this.#libusb.cancelTransfer.async(address, done));
  }

  #openIn({ devices, free }: Parameters<Parameters<typeof listDevices>[2]>[0], done: Done): void {
    const { busnum, devnum } = this.#device;
    const device = devices.find((each) => {
      return this.#libusb.getBusNumber(each) === busnum && this.#libusb.getDeviceAddress(each) === devnum;
    });
    if (device === undefined) {
      free();
      done(LibusbError.NO_DEVICE);
      return;
    }
    const out = new BigUint64Array(1);
    this.#libusb.open.async(device, out, (_, code) => {
      free();
      if (code === 0) this.handle = Number(out[0]);
      done(code);
    });
  }

  #exit(done: Done): void {
    const { context } = this;
    this.context = 0;
    if (context === 0) done(0);
    else this.#libusb.exit.async(context, () => done(0));
  }

  /** Of the open device: nothing is asked of one that was closed meanwhile. */
  #ask(call: (done: (error: unknown, code: number) => void) => void): number {
    return this.#add((done) => {
      if (this.handle === 0) done(LibusbError.NO_DEVICE);
      else call((_, code) => done(code));
    });
  }

  #add(call: Call): number {
    return this.#calls.push(call) - 1;
  }
}
