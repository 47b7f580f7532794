import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { hex4 } from "../device-description.ts";
import { Failed } from "../failure.ts";
import type { Bind, BindList } from "../state/binds.ts";
import { bindsMeant, type HardwareChoice, readHardwareChoice, theDevice } from "./hardware-choice.ts";
import { hasIdentity, identify, printIdentity } from "./hardware-identity.ts";
import { lossOf } from "./loss.ts";
import type { MachineRoots } from "./machine-roots.ts";
import { accessAdvice } from "./udev-rule.ts";

/** What binding a device came to. */
export interface Bound {
  /** Where it is plugged in, if it is. */
  readonly busid?: string;
  /** As what it will be known again: `printIdentity`. */
  readonly identity: string;
  /** What a person has to know. */
  readonly warnings: readonly string[];
}

/** A device that is bound no longer. */
export interface Unbound {
  readonly busid?: string;
  readonly identity: string;
  /** Why it is shared all the same. */
  readonly stillShared?: string;
}

/** A device that is to be shared, plugged in or not. */
export interface WantedDevice {
  /** Because somebody has bound it, or because the host was told to share it. */
  readonly by: "bind" | "device";
  /** How it is known: `printIdentity`, or as it was written for the host. */
  readonly device: string;
  readonly vid?: string;
  readonly pid?: string;
  readonly serial?: string;
  readonly busid?: string;
  /** What it called itself when it was bound. */
  readonly name?: string;
  /** Where such a device is plugged in. */
  readonly busids: readonly string[];
}

/** Binding the devices of this machine, by whoever keeps the list. */
export interface Binding {
  /** Rejects with WrongUsage for a text that is no DEV, and with Failed. */
  bind(text: string, force: boolean): Promise<Bound>;
  unbind(text: string): Promise<readonly Unbound[]>;
  unbindAll(): Promise<readonly Unbound[]>;
}

/** What has been bound, and where it is plugged in. */
export function boundDevices(
  binds: readonly Bind[],
  devices: readonly HardwareDevice[],
): readonly WantedDevice[] {
  return binds.map((bind) => ({
    by: "bind" as const,
    device: printIdentity(bind),
    ...bind,
    busids: devices.filter((device) => hasIdentity(device, bind)).map(({ busid }) => busid),
  }));
}

/** Shares a device from now on, for whoever keeps `binds`. */
export async function bindDevice(
  binds: BindList,
  devices: readonly HardwareDevice[],
  roots: MachineRoots,
  text: string,
  force: boolean,
): Promise<Bound> {
  const choice = readHardwareChoice(text);
  const device = theDevice(devices, choice, text);
  if (device === undefined) return bindAbsent(binds, choice, text);
  const { busid, product } = device;
  if (device.imported) {
    throw new Failed(
      `${busid} is plugged in elsewhere and attached here, so it is not this machine's to share. Share it where it is ` +
        "plugged in; `usbferry ports` shows who has it from where.",
    );
  }
  const loss = force ? undefined : await lossOf(device, devices, roots);
  if (loss !== undefined) {
    throw new Failed(
      `${busid} ${loss} while a guest has it. If that is meant: usbferry bind ${text} --force`,
    );
  }
  const { identity, warning } = identify(device, devices);
  await binds.add({ ...identity, ...(product !== undefined && { name: product.slice(0, 512) }) });
  return {
    busid,
    identity: printIdentity(identity),
    warnings: [warning, accessAdvice(device)].filter((each) => each !== undefined),
  };
}

/** Shares devices no longer: the one that is meant, or all. */
export async function unbindDevices(
  binds: BindList,
  devices: readonly HardwareDevice[],
  text: string | undefined,
): Promise<readonly Unbound[]> {
  const list = binds.list();
  const gone = text === undefined ? list : meant(list, devices, text);
  await binds.remove(gone);
  return Array.from(gone, (bind) => {
    const device = devices.find((each) => hasIdentity(each, bind));
    return { ...(device !== undefined && { busid: device.busid }), identity: printIdentity(bind) };
  });
}

function meant(list: readonly Bind[], devices: readonly HardwareDevice[], text: string): readonly Bind[] {
  const choice = readHardwareChoice(text);
  const own = devices.filter((device) => !device.imported && list.some((bind) => hasIdentity(device, bind)));
  const found = bindsMeant(list, choice, theDevice(own, choice, text), text);
  if (found.length > 0) return found;
  throw new Failed(`${text} is not bound. \`usbferry list\` shows what is.`);
}

/** A serial number is known without its device; everything else names what is plugged in. */
async function bindAbsent(binds: BindList, choice: HardwareChoice, text: string): Promise<Bound> {
  if (choice.by !== "serial") {
    throw new Failed(
      `no device "${text}" is plugged in. \`usbferry list\` shows those that are; one that is to come is bound by ` +
        "VID:PID:SERIAL.",
    );
  }
  const bind: Bind = { vid: hex4(choice.idVendor), pid: hex4(choice.idProduct), serial: choice.serial };
  await binds.add(bind);
  return {
    identity: printIdentity(bind),
    warnings: ["it is not plugged in, and will be shared as soon as it is."],
  };
}
