import type { WantedDevice } from "../daemon/hardware/binding.ts";
import { type LocalDevice, localDevices } from "../daemon/hardware/binding-through.ts";
import { usbNames } from "../daemon/hardware/usb-ids.ts";
import { hostPlace, requireHost } from "../daemon/local-daemons.ts";
import { StateFolder } from "../daemon/state/state-folder.ts";
import { unlessCancelled } from "./cancelled.ts";
import { classWords } from "./class-words.ts";
import type { ControlOption } from "./control.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";
import { warn } from "./warning.ts";

export interface LocalListOptions extends ControlOption {
  readonly json?: true;
  readonly stateDir?: string;
}

/** Devices of this machine, and gadgets of the host that runs here. */
export async function listLocal({ control, stateDir, json }: LocalListOptions): Promise<void> {
  const place = hostPlace(control);
  const local = await unlessCancelled(localDevices(new StateFolder(stateDir), place));
  // A host that was named is meant.
  if (control !== undefined && !local.isServed) await requireHost(control);
  const { devices, binds, warnings } = local;
  for (const warning of warnings) warn(warning);
  const absent = binds.filter(({ busids }) => busids.length === 0);
  if (json === true) {
    const listed = devices.map((device) => ({ ...device, device: classWords(device) }));
    printJson({ devices: listed, absent, warnings });
    return;
  }
  for (const { obstacle } of devices) if (obstacle !== undefined) warn(obstacle);
  if (devices.length + absent.length === 0) {
    process.stdout.write("No device is plugged in, and no host that runs here shares any.\n");
    return;
  }
  const nameless = devices.filter(({ product }) => product === undefined);
  const names = await usbNames([...nameless, ...absent].map(({ vid, pid }) => `${vid}:${pid}`));
  const rows = [
    ...devices.map((device) => asLocalRow(device, names)),
    ...absent.map((wanted) => asAbsentRow(wanted, names)),
  ];
  process.stdout.write(table([["BUSID", "VID:PID", "DEVICE", "STATE"], ...rows]));
}

function asLocalRow(device: LocalDevice, names: ReadonlyMap<string, string>): readonly string[] {
  const { busid, vid = "????", pid = "????", manufacturer, product } = device;
  const own = product !== undefined && manufacturer !== undefined && !product.startsWith(manufacturer);
  const name = own ? `${manufacturer} ${product}` : (product ?? names.get(`${vid}:${pid}`));
  const words = name === undefined ? classWords(device) : `${shortened(name)} (${classWords(device)})`;
  return [busid, `${vid}:${pid}`, words, stateWords(device)].map(printable);
}

function stateWords({ state, peer, session, drivers, obstacle }: LocalDevice): string {
  switch (state) {
    case "free":
      return obstacle === undefined ? "Shared" : "Shared, not accessible";
    case "attached":
      return peer === undefined ? "Attached" : `Attached by ${peer} (session ${session})`;
    case "in-use":
      return `In use by ${drivers?.join(", ")}`;
    case "imported":
      return "Attached here";
    case "not-shared":
      return "Not shared";
  }
}

/** Somebody wants it shared, and it is not plugged in. */
function asAbsentRow(wanted: WantedDevice, names: ReadonlyMap<string, string>): readonly string[] {
  const { busid, vid = "????", pid = "????", name, serial, device } = wanted;
  const words = name ?? names.get(`${vid}:${pid}`) ?? serial ?? device;
  return [busid ?? "-", `${vid}:${pid}`, shortened(words), "Shared, not plugged in"].map(printable);
}

/** Some devices tell a whole story. */
function shortened(name: string): string {
  return name.length <= 60 ? name : `${name.slice(0, 57)}...`;
}
