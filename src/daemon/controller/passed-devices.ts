import { closeSync } from "node:fs";
import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { deviceNumbered } from "../../hardware/usbfs/enumeration.ts";
import { type NodeNumbers, nodeNumbers } from "../../hardware/usbfs/node-numbers.ts";
import { UsbfsDevice } from "../../hardware/usbfs/usbfs-device.ts";
import type { UsbDevice } from "../../usb/device.ts";
import { failureKind } from "../failure.ts";
import type { MachineRoots } from "../hardware/machine-roots.ts";
import type { Log } from "../log.ts";
import type { DriverClaims } from "../state/driver-claims.ts";
import type { ControllerDevices } from "./controller-devices.ts";
import { HotplugAnswer } from "./hotplug-message.ts";
import { NoFreePort, type PortEntry, type PortTable } from "./port-table.ts";

/** What devices stand on whose nodes were opened by somebody else. */
export interface PassedSurroundings {
  readonly devices: ControllerDevices;
  readonly ports: PortTable;
  readonly roots: MachineRoots;
  readonly log: Log;
  readonly claims: DriverClaims | undefined;
  /** Default: what the kernel says of the descriptor. */
  readonly numbersOf?: (fd: number) => NodeNumbers | undefined;
  readonly source?: (device: HardwareDevice, opened: number) => UsbDevice;
}

/**
 * Real devices by their numbers, with open nodes for those that come: a controller that may open none has them from whoever may.
 * Why one cannot be had is told to the log, too.
 */
export class PassedDevices {
  readonly #around: PassedSurroundings;

  constructor(around: PassedSurroundings) {
    this.#around = around;
  }

  /** Of the real devices that are in a port, however they came there. */
  list(): readonly NodeNumbers[] {
    return this.#around.ports.entries.flatMap(({ opened }) => opened.numbers ?? []);
  }

  /**
   * Owns the descriptor. A device that is there already leaves, and comes again. Not to be called again before this has resolved.
   */
  async attach(numbers: NodeNumbers, fd: number): Promise<HotplugAnswer> {
    const { ports, roots, log, numbersOf = nodeNumbers } = this.#around;
    const text = textOf(numbers);
    const refuse = (why: string, answer: HotplugAnswer): HotplugAnswer => {
      log.warn({ code: "NOT_PLUGGED" }, `NOT_PLUGGED ${why}`);
      return answer;
    };
    if (!isSame(numbersOf(fd), numbers)) {
      closeSync(fd);
      return refuse(`what was passed for ${text} is not its open node`, HotplugAnswer.notOpened);
    }
    const device = await deviceNumbered(numbers.busnum, numbers.devnum, roots);
    if (device === undefined) {
      closeSync(fd);
      return refuse(`${text} was passed, and ${roots.sysfs} knows of none`, HotplugAnswer.speedUnknown);
    }
    await this.detach(numbers);
    const opened = {
      name: device.busid,
      device: this.#source(device, fd),
      numbers,
      close: async () => closeSync(fd),
    };
    try {
      await ports.plug(text, opened);
      return HotplugAnswer.done;
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      const answer = error instanceof NoFreePort ? HotplugAnswer.noFreePort : HotplugAnswer.notOpened;
      return refuse((error as Error).message, answer);
    }
  }

  async detach(numbers: NodeNumbers): Promise<HotplugAnswer> {
    const entry = this.#find(numbers);
    if (entry === undefined) return HotplugAnswer.noSuchDevice;
    await this.#around.devices.unplug(entry.told.name);
    return HotplugAnswer.done;
  }

  #find(numbers: NodeNumbers): PortEntry | undefined {
    return this.#around.ports.entries.find(({ opened }) => isSame(opened.numbers, numbers));
  }

  #source(device: HardwareDevice, opened: number): UsbDevice {
    const { claims, log, source } = this.#around;
    if (source !== undefined) return source(device, opened);
    return new UsbfsDevice(device, {
      opened,
      ...(claims !== undefined && { claims }),
      warn: (code, message) => log.warn({ code, busid: device.busid }, `${code} ${message}`),
    });
  }
}

function isSame(one: NodeNumbers | undefined, other: NodeNumbers): boolean {
  return one?.busnum === other.busnum && one.devnum === other.devnum;
}

/** As its node is called. */
function textOf({ busnum, devnum }: NodeNumbers): string {
  return `${String(busnum).padStart(3, "0")}/${String(devnum).padStart(3, "0")}`;
}
