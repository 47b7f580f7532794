import type { ListedDevice } from "../usbip/device-list.ts";
import { BUSID_SIZE } from "../usbip/pdu.ts";
import { Failed, WrongUsage } from "./failure.ts";

/** Which device of a host is meant. */
export type DeviceChoice =
  | { readonly by: "busid"; readonly busid: string }
  | { readonly by: "id"; readonly idVendor: number; readonly idProduct: number };

/** Reads a DEV of the command line for a host that is not this machine; throws WrongUsage. */
export function readDeviceChoice(text: string): DeviceChoice {
  if (text.startsWith("/")) {
    throw new WrongUsage(
      `"${text}" is a file of this machine. Name the device as \`usbferry list ADDR\` shows it, by BUSID or VID:PID.`,
    );
  }
  const [, vid, pid, serial] = /^([0-9a-f]{4}):([0-9a-f]{4})(:.*)?$/i.exec(text) ?? [];
  if (serial !== undefined) {
    throw new WrongUsage(
      `"${text}": USB/IP does not tell serial numbers, and asking each device for its own is not built yet. Name it by ` +
        "its BUSID, as `usbferry list ADDR` shows it.",
    );
  }
  if (vid !== undefined && pid !== undefined) {
    return { by: "id", idVendor: Number.parseInt(vid, 16), idProduct: Number.parseInt(pid, 16) };
  }
  if (text === "" || text.length >= BUSID_SIZE || !/^[\x21-\x7e]+$/.test(text)) {
    throw new WrongUsage(
      `"${text}" is no device: a bus id has 1 to ${BUSID_SIZE - 1} characters without spaces, as in 1-2.`,
    );
  }
  return { by: "busid", busid: text };
}

/** Those of the listed devices that are meant; all of them without a choice. */
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

/** The bus id of the one device that is meant; throws Failed if it is none or one of several. */
export function theOne(devices: readonly ListedDevice[], choice: DeviceChoice, address: string): string {
  const found = matching(devices, choice);
  const [first] = found;
  const free = devices.map(({ busid }) => busid).join(", ") || "nothing";
  if (first === undefined) {
    throw new Failed(
      `${address} has no such device that is free; it offers ${free}. A device that somebody has attached is not listed.`,
    );
  }
  if (found.length === 1) return first.busid;
  const busids = found.map(({ busid }) => busid).join(", ");
  throw new Failed(`${address} has ${found.length} such devices: name one by its bus id: ${busids}.`);
}
