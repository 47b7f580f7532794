import type { OpenError, UsbDevice } from "../usb/device.ts";
import { AttachedDevice } from "./attached-device.ts";
import type { ControllerPlan } from "./capability-registers.ts";
import type { Chip } from "./chip.ts";
import { Port } from "./port.ts";
import { PORT_SIZE } from "./registers.ts";

/** The ports of a controller, and what is plugged into them. */
export class RootHub {
  readonly ports: readonly Port[];
  readonly #chip: Chip;
  readonly #left: (port: number, device: UsbDevice) => void;
  /** Ports whose device is being opened. */
  readonly #taken = new Set<number>();

  /** `left`: a device was unplugged at its source. */
  constructor(chip: Chip, plan: ControllerPlan, left: (port: number, device: UsbDevice) => void) {
    this.#chip = chip;
    this.#left = left;
    this.ports = Array.from(
      { length: plan.usb2Ports + plan.usb3Ports },
      (_, i) => new Port(i + 1, i >= plan.usb2Ports, chip),
    );
  }

  reset(): void {
    for (const port of this.ports) port.reset();
  }

  /** The controller runs. */
  announce(): void {
    for (const port of this.ports) port.announce();
  }

  /** Registers by their offset from the first port's. */
  read(at: number): number {
    return this.ports[Math.floor(at / PORT_SIZE)]?.read(at % PORT_SIZE) ?? 0;
  }

  write(at: number, value: number): void {
    this.ports[Math.floor(at / PORT_SIZE)]?.write(at % PORT_SIZE, value);
  }

  /** See `Controller.plug`. */
  plug(
    device: UsbDevice,
    wished: number | undefined,
    done: (refused?: OpenError) => void,
  ): number | undefined {
    const free = this.#freePort(device, wished);
    if (free === undefined) {
      done({ reason: "busy", message: this.#whyNoPort(device, wished) });
      return undefined;
    }
    const attached = new AttachedDevice(device, this.#chip, {
      left: () => this.#leave(free, attached),
      woken: () => free.wake(),
    });
    this.#taken.add(free.number);
    device.open(attached, this.#chip.loop, (refused) => {
      this.#taken.delete(free.number);
      if (refused === undefined) free.attach(attached);
      done(refused);
    });
    return free.number;
  }

  /** Takes the device from a port; `done` when it was given back. */
  unplug(number: number, done: () => void): void {
    const port = this.ports[number - 1];
    const attached = port?.device;
    if (attached === undefined) {
      done();
      return;
    }
    port!.detach();
    attached.close(done);
  }

  /** Gives all devices back. */
  close(done: () => void): void {
    const attached = this.ports.filter(({ device }) => device !== undefined);
    let left = attached.length;
    if (left === 0) done();
    for (const { number } of attached) {
      this.unplug(number, () => {
        left--;
        if (left === 0) done();
      });
    }
  }

  #freePort(device: UsbDevice, wished: number | undefined): Port | undefined {
    return this.ports.find(
      (port) =>
        port.fits(device.speed) &&
        port.device === undefined &&
        !this.#taken.has(port.number) &&
        (wished === undefined || wished === port.number),
    );
  }

  #whyNoPort({ speed }: UsbDevice, wished: number | undefined): string {
    const first = this.ports.find((port) => port.fits(speed))?.number ?? 0;
    const last = this.ports.findLast((port) => port.fits(speed))?.number ?? 0;
    const range = `ports ${first} to ${last} are for its speed`;
    if (wished === undefined) return `every port is taken (${range}); unplug another device first`;
    return `port ${wished} is taken or not for this device (${range}); choose a free one of them`;
  }

  #leave(port: Port, attached: AttachedDevice): void {
    if (port.device === attached) port.detach();
    attached.close(() => this.#left(port.number, attached.device));
  }
}
