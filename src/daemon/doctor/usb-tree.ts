import { compareBusids, isDeviceName } from "../../hardware/usbfs/enumeration.ts";
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
  readonly modalias: string;
  readonly driver: string | undefined;
}

const DEVICES = "sys/bus/usb/devices";
const HUB = 9;

/**
 * Every device but hubs. This is no enumeration as a host needs it: strings and the configuration (`product`, `serial`,
 * `bConfigurationValue`, `bNumInterfaces`, `uevent`) are never read, because the kernel gives them under the device's
 * lock, which it holds while a device is silent.
 */
export function usbDevices(root: SystemRoot): readonly TreeDevice[] {
  return root
    .names(DEVICES)
    .filter(isDeviceName)
    .toSorted(compareBusids)
    .flatMap((name) => readDevice(root, name) ?? [])
    .filter(({ bDeviceClass }) => bDeviceClass !== HUB);
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
  return {
    name,
    number: Number(name.slice(name.lastIndexOf(".") + 1)),
    bInterfaceClass: Number.parseInt(root.text(`${folder}/bInterfaceClass`) ?? "0", 16),
    modalias: root.text(`${folder}/modalias`) ?? "",
    driver: root.link(`${folder}/driver`)?.split("/").at(-1),
  };
}

/** `1-2 (0781:5567)` */
export function named({ name, vid, pid }: TreeDevice): string {
  return `${name} (${vid}:${pid})`;
}
