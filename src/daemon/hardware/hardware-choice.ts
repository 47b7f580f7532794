import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { isDeviceName } from "../../hardware/usbfs/enumeration.ts";
import { type DeviceChoice, readDeviceChoice } from "../device-choice.ts";
import { hex4 } from "../device-description.ts";
import { Failed, WrongUsage } from "../failure.ts";
import { type HardwareIdentity, hasIdentity, usbIds } from "./hardware-identity.ts";

/** Which device of this machine is meant. */
export type HardwareChoice = DeviceChoice | NodeChoice;

interface NodeChoice {
  readonly by: "node";
  readonly busnum: number;
  readonly devnum: number;
}

/** Reads a DEV of the command line for this machine; throws WrongUsage. A nickname has been looked up before. */
export function readHardwareChoice(text: string): HardwareChoice {
  if (text.startsWith("/")) {
    const [, busnum, devnum] = /^\/dev\/bus\/usb\/(\d{3})\/(\d{3})$/.exec(text) ?? [];
    if (busnum === undefined) {
      throw new WrongUsage(`"${text}" is no device node: they are named as in /dev/bus/usb/001/002.`);
    }
    return { by: "node", busnum: Number(busnum), devnum: Number(devnum) };
  }
  const choice = readDeviceChoice(text);
  if (choice.by === "busid" && !isDeviceName(choice.busid)) {
    throw new WrongUsage(
      `"${text}" is neither a bus id (1-2), a VID:PID, a VID:PID:SERIAL, a /dev/bus/usb/001/002 nor a nickname. ` +
        "`usbferry list` shows the devices of this machine.",
    );
  }
  return choice;
}

export function isChosen(device: HardwareDevice, choice: HardwareChoice): boolean {
  switch (choice.by) {
    case "busid":
      return device.busid === choice.busid;
    case "node":
      return device.busnum === choice.busnum && device.devnum === choice.devnum;
    case "id":
    case "serial": {
      const { vid, pid } = usbIds(device);
      const isKind = vid === hex4(choice.idVendor) && pid === hex4(choice.idProduct);
      // One that is plugged in elsewhere is of the same kind as one here, and never meant.
      return isKind && !device.imported && (choice.by === "id" || device.serial === choice.serial);
    }
  }
}

/** Of a device that may not be plugged in. A node names one that is. */
export function mayBeChosen(identity: HardwareIdentity, choice: HardwareChoice): boolean {
  switch (choice.by) {
    case "busid":
      return identity.busid === choice.busid;
    case "node":
      return false;
    case "id":
    case "serial": {
      const { vid, pid, serial } = identity;
      const isKind = vid === hex4(choice.idVendor) && pid === hex4(choice.idProduct);
      return isKind && (choice.by === "id" || serial === choice.serial);
    }
  }
}

/** The one device that is meant, or nothing; throws Failed if it may be one of several. */
export function theDevice(
  devices: readonly HardwareDevice[],
  choice: HardwareChoice,
  text: string,
): HardwareDevice | undefined {
  const found = devices.filter((device) => isChosen(device, choice));
  if (found.length < 2) return found[0];
  const candidates = found.map((device) => {
    const { vid, pid } = usbIds(device);
    return `${device.busid} (${[`${vid}:${pid}`, device.serial].filter(Boolean).join(":")})`;
  });
  throw new Failed(`"${text}" may be ${candidates.join(" or ")}: name one by its bus id.`);
}

/** Those of the binds that are meant: of `device`, or of one that is not plugged in. Throws Failed if it may be one of several. */
export function bindsMeant<B extends HardwareIdentity>(
  binds: readonly B[],
  choice: HardwareChoice,
  device: HardwareDevice | undefined,
  text: string,
): readonly B[] {
  if (device !== undefined) return binds.filter((bind) => hasIdentity(device, bind));
  const found = binds.filter((bind) => mayBeChosen(bind, choice));
  if (found.length < 2) return found;
  const names = found.map(({ vid, pid, serial, busid }) => busid ?? `${vid}:${pid}:${serial}`);
  throw new Failed(`"${text}" may be ${names.join(" or ")}: name one of these.`);
}
