import type { Descriptors } from "../usb/descriptor-walk.ts";
import { DeviceDescriptor } from "../usb/descriptors.ts";
import type { OpenError } from "../usb/device.ts";
import type { DeviceCalls } from "./device-calls.ts";
import { type ClaimKeeper, type DriverClaim, restoreDrivers } from "./driver-claim.ts";
import type { HardwareDevice } from "./hardware-device.ts";
import type { HostCalls } from "./host-calls.ts";

/** USB_MAXINTERFACES of Linux. */
const INTERFACES = 32;

type Refused = (refused: OpenError | undefined) => void;

/** An open device with all interfaces of the active configuration, and the drivers that they were taken from. */
export class ClaimedDevice<C extends DeviceCalls> {
  readonly #device: HardwareDevice;
  readonly #descriptors: Descriptors;
  readonly #calls: HostCalls<C>;
  readonly #keeper: ClaimKeeper | undefined;
  #configuration: number;
  #claim: DriverClaim | undefined;

  constructor(
    device: HardwareDevice,
    descriptors: Descriptors,
    calls: HostCalls<C>,
    keeper: ClaimKeeper | undefined,
  ) {
    this.#device = device;
    this.#descriptors = descriptors;
    this.#calls = calls;
    this.#keeper = keeper;
    this.#configuration = device.configuration;
  }

  /** The configuration that the device has, whatever a sink believes. */
  get configuration(): number {
    return this.#configuration;
  }

  /** Takes the device from its drivers, who leave it as it is: it is to be reset. Refused, it is as it was before. */
  open(done: Refused): void {
    let place = 0;
    this.#calls.run(
      (calls) => {
        place = calls.open();
      },
      (calls) => {
        const refused = calls.opened(place);
        if (refused !== undefined) done(refused);
        else this.#look(done);
      },
    );
  }

  /** Adds the calls that make another configuration active, or the same one once more. Answers the place of its result. */
  reconfigure(calls: C, value: number): number {
    this.#release(calls);
    const place = calls.setConfiguration(value);
    for (const number of this.#interfacesOf(value)) calls.claim(number);
    return place;
  }

  /** `reconfigure` has worked. */
  reconfigured(value: number): void {
    this.#configuration = value;
  }

  /** Adds the calls that reset the device. The kernel makes its configuration active again, all alternate settings 0. */
  reset(calls: C): number {
    return calls.reset(this.#interfacesOf(this.#configuration));
  }

  /** Resets the device, gives it to the drivers that had it, and closes it. */
  giveBack(isGone: boolean, done: () => void): void {
    const claim = this.#claim;
    this.#claim = undefined;
    this.#calls.run(
      (calls) => {
        if (!isGone) this.#release(calls);
        if (!isGone && claim !== undefined) restoreDrivers(calls, claim, this.#configuration);
        calls.close();
      },
      () => {
        this.#configuration = this.#device.configuration;
        if (claim !== undefined) this.#keeper?.returned(claim);
        done();
      },
    );
  }

  /** Finds out what can be done with it, and who has it. */
  #look(done: Refused): void {
    this.#calls.run(
      (calls) => calls.look(this.#interfacesOf(this.#configuration)),
      (calls) => this.#keep(calls.looked(), done),
    );
  }

  #keep(drivers: DriverClaim["drivers"], done: Refused): void {
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
        const refusals = places.map((place) => calls.refusal(place, "claiming its interfaces"));
        const refusal = refusals.find((each) => each !== undefined);
        if (refusal === undefined) done(undefined);
        else this.#refuse(refusal, done);
      },
    );
  }

  #refuse(refusal: OpenError, done: Refused): void {
    // Another program has some of it: it must not notice that we tried.
    if (refusal.reason === "busy") this.#giveBackQuietly(() => done(refusal));
    else this.giveBack(refusal.reason === "gone", () => done(refusal));
  }

  #giveBackQuietly(done: () => void): void {
    const claim = this.#claim!;
    this.#claim = undefined;
    this.#calls.run(
      (calls) => {
        this.#release(calls);
        for (const { interfaceNumber } of claim.drivers) calls.connect(interfaceNumber);
        calls.close();
      },
      () => {
        this.#keeper?.returned(claim);
        done();
      },
    );
  }

  #release(calls: C): void {
    for (const number of this.#interfacesOf(this.#configuration)) calls.release(number);
  }

  #claimAll(calls: C): number[] {
    return this.#interfacesOf(this.#configuration).map((number) => calls.claim(number));
  }

  #interfacesOf(configuration: number): number[] {
    const settings =
      this.#descriptors.configurations.find((c) => c.descriptor.bConfigurationValue === configuration)
        ?.settings ?? [];
    const numbers = new Set(settings.map(({ descriptor }) => descriptor.bInterfaceNumber));
    return Array.from(numbers).slice(0, INTERFACES);
  }
}
