import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import type { ListedDevice } from "../usbip/device-list.ts";
import { BUSID_SIZE } from "../usbip/pdu.ts";
import { Failed, WrongUsage } from "./failure.ts";

const SHOWN = 20;

/** Which device of a host is meant. */
export type DeviceChoice =
  | { readonly by: "busid"; readonly busid: string }
  | { readonly by: "id"; readonly idVendor: number; readonly idProduct: number }
  | SerialChoice;

/** USB/IP does not list serial numbers: each device with these numbers has to be asked for its own. */
export interface SerialChoice {
  readonly by: "serial";
  readonly idVendor: number;
  readonly idProduct: number;
  readonly serial: string;
}

/** Reads a DEV of the command line for a host that is not this machine; throws WrongUsage. */
export function readDeviceChoice(text: string): DeviceChoice {
  if (text.startsWith("/")) {
    throw new WrongUsage(
      `"${text}" is a file of this machine. Name the device as \`usbferry list ADDR\` shows it, by BUSID or VID:PID.`,
    );
  }
  const [, vid, pid, serial] = /^([0-9a-f]{4}):([0-9a-f]{4})(?::(.*))?$/is.exec(text) ?? [];
  if (vid !== undefined && pid !== undefined) {
    const numbers = { idVendor: Number.parseInt(vid, 16), idProduct: Number.parseInt(pid, 16) };
    if (serial === undefined) return { by: "id", ...numbers };
    if (serial === "" || serial.length > STRING_UNITS_MAX) {
      throw new WrongUsage(
        `"${text}": a serial number has 1 to ${STRING_UNITS_MAX} characters. Leave out the last colon for any, or name ` +
          "the device by its BUSID, as `usbferry list ADDR` shows it.",
      );
    }
    return { by: "serial", ...numbers, serial };
  }
  if (text === "" || text.length >= BUSID_SIZE || !/^[\x21-\x7e]+$/.test(text)) {
    throw new WrongUsage(
      `"${text}" is no device: a bus id has 1 to ${BUSID_SIZE - 1} characters without spaces, as in 1-2.`,
    );
  }
  return { by: "busid", busid: text };
}

/** Those of the listed devices that may be meant; all of them without a choice. A serial number stays to be asked for. */
export function matching(
  devices: readonly ListedDevice[],
  choice: DeviceChoice | undefined,
): readonly ListedDevice[] {
  if (choice === undefined) return devices;
  return devices.filter((device) =>
    choice.by === "busid"
      ? device.busid === choice.busid
      : device.idVendor === choice.idVendor && device.idProduct === choice.idProduct,
  );
}

/** The same, or throws Failed if there are none. */
export function candidates(
  devices: readonly ListedDevice[],
  choice: DeviceChoice,
  address: string,
): readonly ListedDevice[] {
  const found = matching(devices, choice);
  if (found.length > 0) return found;
  const free = someOf(devices.map(({ busid }) => busid)) || "nothing";
  throw new Failed(
    `${address} has no such device that is free; it offers ${free}. A device that somebody has attached is not listed.`,
  );
}

/** The bus id of the one device that is meant; throws Failed if it is none or one of several. */
export function theOne(devices: readonly ListedDevice[], choice: DeviceChoice, address: string): string {
  const found = candidates(devices, choice, address);
  if (found.length === 1) return found[0]!.busid;
  const busids = someOf(found.map(({ busid }) => busid));
  throw new Failed(`${address} has ${found.length} such devices: name one by its bus id: ${busids}.`);
}

/** What a host says of itself, for a message: no more than a person reads, and nothing that speaks to a terminal. */
export function someOf(words: readonly string[], separator = ", "): string {
  const shown = words
    .slice(0, SHOWN)
    .join(separator)
    .replace(/[^\x20-\x7e]/g, "?");
  return words.length > SHOWN ? `${shown} and ${words.length - SHOWN} more` : shown;
}
