import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { type LocalDevice, localDevices } from "../daemon/local-daemons.ts";
import { type ListedDevice, listRemoteDevices } from "../daemon/remote-devices.ts";
import { unlessCancelled } from "./cancelled.ts";
import { classWords } from "./class-words.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printJson } from "./json.ts";
import { table } from "./table.ts";

export function addList(root: Command): void {
  root
    .command("list")
    .description("devices that a host shares; without ADDR those of the host that runs here")
    .argument("[ADDR]", "the host: tcp:PORT, tcp:HOST:PORT or unix:PATH")
    .option("--control <PATH>", CONTROL_OPTION)
    .option("--json", "one JSON document on standard output")
    .action(list);
}

interface ListOptions extends ControlOption {
  readonly json?: true;
}

async function list(address: string | undefined, options: ListOptions): Promise<void> {
  if (address === undefined) {
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

async function listLocal(options: ListOptions): Promise<void> {
  const devices = await unlessCancelled(localDevices(options.control));
  if (options.json === true) {
    printJson({ devices: devices.map((device) => ({ ...device, device: classWords(device) })) });
  } else if (devices.length === 0) process.stdout.write("The host that runs here shares nothing.\n");
  else process.stdout.write(table([["BUSID", "VID:PID", "DEVICE", "STATE"], ...devices.map(asLocalRow)]));
}

function asLocalRow(device: LocalDevice): readonly string[] {
  const { busid, vid = "????", pid = "????", state, peer, session } = device;
  const holder = peer === undefined ? "" : ` by ${printable(peer)} (session ${session})`;
  return [printable(busid), `${vid}:${pid}`, classWords(device), `${state}${holder}`];
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

/** A host chooses its bus ids freely; none of them shall speak to the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
