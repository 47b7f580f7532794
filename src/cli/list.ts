import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { type ListedDevice, listRemoteDevices } from "../daemon/remote-devices.ts";
import { unlessCancelled } from "./cancelled.ts";
import { classWords } from "./class-words.ts";
import { CONTROL_OPTION } from "./control.ts";
import { printJson } from "./json.ts";
import type { LocalListOptions } from "./list-local.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";

export function addList(root: Command): void {
  root
    .command("list")
    .description(
      "devices that a host shares; without ADDR those of this machine, and gadgets of the host that runs here",
    )
    .argument(
      "[ADDR]",
      "the host: tcp:[HOST:]PORT, tls:HOST:PORT, unix:PATH, vsock:[CID:]PORT, fc-vsock:PATH:PORT, ring:PATH or, in a virtual machine, ring:pci:ADDRESS, also behind wslusb+",
    )
    .option("--control <PATH>", CONTROL_OPTION)
    .option("--state-dir <FOLDER>", "where binds are kept, if no host runs here")
    .option("--json", "one JSON document on standard output")
    .action(list);
}

async function list(address: string | undefined, options: LocalListOptions): Promise<void> {
  if (address === undefined) {
    // With what is kept on disk and what it is checked by, which a list of a host does without.
    const { listLocal } = await import("./list-local.ts");
    await listLocal(options);
    return;
  }
  if (options.control !== undefined) {
    throw new WrongUsage("name a host (ADDR) or the control socket of one that runs here, not both.");
  }
  const devices = await unlessCancelled(listRemoteDevices(address));
  if (options.json === true) printJson({ address, devices: devices.map(asJson) });
  else if (devices.length === 0) process.stdout.write(`${address} shares no device that is free.\n`);
  else process.stdout.write(table([["BUSID", "VID:PID", "DEVICE", "STATE"], ...devices.map(asRow)]));
}

/** A USB/IP host lists what can be imported; what somebody has attached is left out. */
const STATE = "Shared";

function asRow(device: ListedDevice): readonly string[] {
  const { busid, idVendor, idProduct } = device;
  return [printable(busid), `${hex4(idVendor)}:${hex4(idProduct)}`, classWords(device), STATE];
}

function asJson(device: ListedDevice): object {
  const { busid, path, idVendor, idProduct, speed, busnum, devnum } = device;
  return {
    busid,
    vid: hex4(idVendor),
    pid: hex4(idProduct),
    device: classWords(device),
    state: STATE,
    path,
    speed: SPEEDS[speed] ?? "unknown",
    busnum,
    devnum,
    bcdDevice: hex4(device.bcdDevice),
    bDeviceClass: device.bDeviceClass,
    bDeviceSubClass: device.bDeviceSubClass,
    bDeviceProtocol: device.bDeviceProtocol,
    bConfigurationValue: device.bConfigurationValue,
    bNumConfigurations: device.bNumConfigurations,
    interfaces: device.interfaces.map(({ bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol }) => ({
      bInterfaceClass,
      bInterfaceSubClass,
      bInterfaceProtocol,
    })),
  };
}

/** enum usb_device_speed (linux: include/uapi/linux/usb/ch9.h), as USB/IP sends it. */
const SPEEDS: readonly (string | undefined)[] = [
  undefined,
  "low",
  "full",
  "high",
  "wireless",
  "super",
  "super-plus",
];

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}
