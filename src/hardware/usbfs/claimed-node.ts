import { duplicate } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Descriptors } from "../../usb/descriptor-walk.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { OpenError } from "../../usb/device.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import type { DeviceCalls } from "./device-calls.ts";
import type { ClaimedInterface, ClaimKeeper, DriverClaim } from "./driver-claim.ts";
import type { HostCalls } from "./host-calls.ts";
import { openRefusal } from "./open-refusal.ts";
import type { UsbfsOptions } from "./usbfs-device.ts";

const CLOSED = -1;
const EBUSY = 16;
/** USB_MAXINTERFACES of Linux. */
const INTERFACES = 32;

type Refused = (refused: OpenError | undefined) => void;

/** An open device node with all interfaces of the active configuration, and the drivers that they were taken from. */
export class ClaimedNode {
  readonly #device: HardwareDevice;
  readonly #descriptors: Descriptors;
  readonly #calls: HostCalls;
  readonly #keeper: ClaimKeeper | undefined;
  readonly #opened: number | undefined;
  #fd = CLOSED;
  #capabilities = 0;
  #configuration: number;
  #claim: DriverClaim | undefined;

  constructor(
    device: HardwareDevice,
    descriptors: Descriptors,
    calls: HostCalls,
    { claims, opened }: UsbfsOptions,
  ) {
    this.#device = device;
    this.#descriptors = descriptors;
    this.#calls = calls;
    this.#keeper = claims;
    this.#opened = opened;
    this.#configuration = device.configuration;
  }

  get fd(): number {
    return this.#fd;
  }

  /** What the kernel's usbfs can do with this device. */
  get capabilities(): number {
    return this.#capabilities;
  }

  /** The configuration that the device has, whatever a sink believes. */
  get configuration(): number {
    return this.#configuration;
  }

  /** Takes the device from its drivers, who leave it as it is: it is to be reset. Refused, it is as it was before. */
  open(done: Refused): void {
    const { node } = this.#device;
    const opened = this.#opened;
    let place = 0;
    this.#calls.run(
      (calls) => {
        if (opened === undefined) place = calls.openNode(node);
      },
      (calls) => {
        const fd = opened === undefined ? calls.list.result(place) : duplicated(opened);
        if (fd < 0) {
          done(openRefusal(this.#device, `opening ${node}`, -fd));
          return;
        }
        this.#fd = fd;
        this.#look(done);
      },
    );
  }

  /** Adds the calls that make another configuration active, or the same one once more. Answers the place of its result. */
  reconfigure(calls: DeviceCalls, value: number): number {
    this.#release(calls);
    const place = calls.setConfiguration(this.#fd, value);
    for (const number of this.#interfacesOf(value)) calls.claim(this.#fd, number);
    return place;
  }

  /** `reconfigure` has worked. */
  reconfigured(value: number): void {
    this.#configuration = value;
  }

  /** Adds the calls that reset the device. The kernel makes its configuration active again, all alternate settings 0. */
  reset(calls: DeviceCalls): number {
    // The kernel would give interfaces that are claimed through usbfs to their drivers.
    this.#release(calls);
    const place = calls.reset(this.#fd);
    this.#claimAll(calls);
    return place;
  }

  /** Resets the device, gives it to the drivers that had it, and closes the node. */
  giveBack(isGone: boolean, done: () => void): void {
    const claim = this.#claim;
    this.#claim = undefined;
    this.#calls.run(
      (calls) => {
        if (!isGone) this.#release(calls);
        if (!isGone && claim !== undefined) calls.restore(this.#fd, claim, this.#configuration);
        calls.list.close(this.#fd);
      },
      () => {
        this.#fd = CLOSED;
        this.#configuration = this.#device.configuration;
        if (claim !== undefined) this.#keeper?.returned(claim);
        done();
      },
    );
  }

  /** Finds out what it can do, and who has it. */
  #look(done: Refused): void {
    const interfaces = this.#interfacesOf(this.#configuration);
    let capabilities = { result: 0, at: 0 };
    let drivers: { readonly result: number; readonly at: number }[] = [];
    this.#calls.run(
      (calls) => {
        capabilities = calls.capabilities(this.#fd);
        drivers = interfaces.map((number) => calls.driver(this.#fd, number));
      },
      (calls) => {
        this.#capabilities = calls.readWord(capabilities.at);
        const claimed: ClaimedInterface[] = [];
        for (const [i, { result, at }] of drivers.entries()) {
          if (calls.list.result(result) < 0) continue;
          claimed.push({ interfaceNumber: interfaces[i]!, driver: calls.readName(at) });
        }
        this.#keep(claimed, done);
      },
    );
  }

  #keep(drivers: readonly ClaimedInterface[], done: Refused): void {
    const { busid, descriptors, serial } = this.#device;
    const claim: DriverClaim = {
      busid,
      idVendor: DeviceDescriptor.idVendor(descriptors, 0),
      idProduct: DeviceDescriptor.idProduct(descriptors, 0),
      ...(serial !== undefined && { serial }),
      configuration: this.#configuration,
      drivers,
    };
    const take = (): void => {
      this.#claim = claim;
      this.#take(done);
    };
    if (this.#keeper === undefined) take();
    else this.#keeper.taking(claim, take);
  }

  #take(done: Refused): void {
    let places: number[] = [];
    this.#calls.run(
      (calls) => {
        places = this.#claimAll(calls);
      },
      (calls) => {
        const errno = firstError(calls, places);
        if (errno === 0) done(undefined);
        else this.#refuse("claiming its interfaces", errno, done);
      },
    );
  }

  #refuse(call: string, errno: number, done: Refused): void {
    const refusal = openRefusal(this.#device, call, errno);
    // Another program has some of it: it must not notice that we tried.
    if (errno === EBUSY) this.#giveBackQuietly(() => done(refusal));
    else this.giveBack(refusal.reason === "gone", () => done(refusal));
  }

  #giveBackQuietly(done: () => void): void {
    const claim = this.#claim!;
    this.#claim = undefined;
    this.#calls.run(
      (calls) => {
        this.#release(calls);
        for (const { interfaceNumber } of claim.drivers) calls.connect(this.#fd, interfaceNumber);
        calls.list.close(this.#fd);
      },
      () => {
        this.#fd = CLOSED;
        this.#keeper?.returned(claim);
        done();
      },
    );
  }

  #release(calls: DeviceCalls): void {
    for (const number of this.#interfacesOf(this.#configuration)) calls.release(this.#fd, number);
  }

  #claimAll(calls: DeviceCalls): number[] {
    return this.#interfacesOf(this.#configuration).map((number) => calls.claim(this.#fd, number));
  }

  #interfacesOf(configuration: number): number[] {
    const settings =
      this.#descriptors.configurations.find((c) => c.descriptor.bConfigurationValue === configuration)
        ?.settings ?? [];
    const numbers = new Set(settings.map(({ descriptor }) => descriptor.bInterfaceNumber));
    return Array.from(numbers).slice(0, INTERFACES);
  }
}

/** A negative error number if it fails, as calls have it. */
function duplicated(fd: number): number {
  const copy = duplicate(fd);
  return copy instanceof SystemError ? -copy.errno : copy;
}

/** errno of the first call that failed, 0 if none did. */
function firstError(calls: DeviceCalls, places: readonly number[]): number {
  for (const place of places) if (calls.list.result(place) < 0) return -calls.list.result(place);
  return 0;
}
