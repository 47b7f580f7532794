import type { SystemRoot } from "./system-root.ts";

/** A USB device as sysfs tells without asking the device, and without waiting for its lock. */
export interface TreeDevice {
  /** Below /sys/bus/usb/devices. */
  readonly name: string;
  /** Without the root. */
  readonly folder: string;
  readonly vid: string;
  readonly pid: string;
  readonly bDeviceClass: number;
  /** /dev/bus/usb/BBB/DDD */
  readonly node: string;
  /** It came through vhci_hcd. */
  readonly isAttached: boolean;
  readonly interfaces: readonly TreeInterface[];
}

export interface TreeInterface {
  /** `1-2:1.0` */
  readonly name: string;
  readonly number: number;
  readonly bInterfaceClass: number;
  readonly bInterfaceSubClass: number;
  readonly bInterfaceProtocol: number;
  readonly modalias: string;
  readonly driver: string | undefined;
}

const DEVICES = "sys/bus/usb/devices";
const HUB = 9;

/**
 * Every device but hubs. Strings and the configuration (`product`, `serial`, `bConfigurationValue`, `bNumInterfaces`,
 * `uevent`) are never read: the kernel gives them under the device's lock, which it holds while a device is silent.
 */
export function usbDevices(root: SystemRoot): readonly TreeDevice[] {
  return root
    .names(DEVICES)
    .filter((name) => /^\d+-\d+(\.\d+)*$/.test(name))
    .flatMap((name) => readDevice(root, name) ?? [])
    .filter(({ bDeviceClass }) => bDeviceClass !== HUB)
    .toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

function readDevice(root: SystemRoot, name: string): TreeDevice | undefined {
  const folder = `${DEVICES}/${name}`;
  const read = (attribute: string): string => root.text(`${folder}/${attribute}`) ?? "";
  const number = (attribute: string): string => read(attribute).padStart(3, "0");
  const vid = read("idVendor");
  if (vid === "") return undefined; // it has just gone
  return {
    name,
    folder,
    vid,
    pid: read("idProduct"),
    bDeviceClass: Number.parseInt(read("bDeviceClass"), 16),
    node: `/dev/bus/usb/${number("busnum")}/${number("devnum")}`,
    isAttached: (root.link(folder) ?? "").includes("/vhci_hcd"),
    interfaces: root
      .names(folder)
      .filter((entry) => entry.startsWith(`${name}:`))
      .map((entry) => readInterface(root, `${folder}/${entry}`, entry)),
  };
}

function readInterface(root: SystemRoot, folder: string, name: string): TreeInterface {
  const hex = (attribute: string): number => Number.parseInt(root.text(`${folder}/${attribute}`) ?? "0", 16);
  return {
    name,
    number: Number(name.slice(name.lastIndexOf(".") + 1)),
    bInterfaceClass: hex("bInterfaceClass"),
    bInterfaceSubClass: hex("bInterfaceSubClass"),
    bInterfaceProtocol: hex("bInterfaceProtocol"),
    modalias: root.text(`${folder}/modalias`) ?? "",
    driver: root.link(`${folder}/driver`)?.split("/").at(-1),
  };
}

/** `1-2 (0781:5567)` */
export function named({ name, vid, pid }: TreeDevice): string {
  return `${name} (${vid}:${pid})`;
}
