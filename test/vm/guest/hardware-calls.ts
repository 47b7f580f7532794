import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bindingThrough, localDevices } from "../../../src/daemon/hardware/binding-through.ts";
import { machineRoots } from "../../../src/daemon/hardware/machine-roots.ts";
import { type UsbBackendName, usbBackend } from "../../../src/daemon/hardware/usb-backend.ts";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import { hostPlace } from "../../../src/daemon/local-daemons.ts";
import { StateFolder } from "../../../src/daemon/state/state-folder.ts";
import type { DeviceWatch } from "../../../src/hardware/device-watch.ts";

/** What `usbferry list` shows: state and drivers by bus id, and what is bound and not plugged in. */
export async function listed(
  state: string,
): Promise<{ readonly devices: Readonly<Record<string, string>>; readonly absent: readonly string[] }> {
  const { devices, binds } = await localDevices(new StateFolder(state), hostPlace(undefined));
  return {
    devices: Object.fromEntries(
      devices.map((device) => [device.busid, [device.state, ...(device.drivers ?? [])].join(" ")]),
    ),
    absent: binds.filter(({ busids }) => busids.length === 0).map(({ device }) => device),
  };
}

/** `usbferry bind`. */
export function bind(state: string, device: string, force: boolean): Promise<unknown> {
  return bindingThrough(new StateFolder(state), hostPlace(undefined), (binding) =>
    binding.bind(device, force),
  );
}

/** `usbferry unbind`; of everything if no device is named. */
export function unbind(state: string, device: string | null): Promise<unknown> {
  return bindingThrough(new StateFolder(state), hostPlace(undefined), (binding) =>
    device === null ? binding.unbindAll() : binding.unbind(device),
  );
}

let watching: DeviceWatch | undefined;
const told: string[] = [];

/** Begins to watch the devices of this kernel, while others come and go; answers how. */
export async function beginWatch(backend?: UsbBackendName): Promise<string> {
  told.length = 0;
  const started = await usbBackend(backend).watch(machineRoots(), new LibuvLoop(), {
    plugged: ({ busid, devnum }) => void told.push(`+${busid}/${devnum}`),
    changed: () => {},
    unplugged: ({ busid, devnum }) => void told.push(`-${busid}/${devnum}`),
    deaf: ({ message }) => void told.push(message),
  });
  if (started instanceof Error) throw started;
  watching = started;
  return started.arrivals;
}

/** What it knows, what sysfs shows, and what was told on the way. */
export function watched(): { known: readonly string[]; there: readonly string[]; told: readonly string[] } {
  const known = watching!.devices.map(({ busid, devnum }) => `${busid}/${devnum}`);
  const there = readdirSync("/sys/bus/usb/devices")
    .filter((name) => /^\d+-\d+(\.\d+)*$/.test(name))
    .flatMap((name) => {
      try {
        return [`${name}/${readFileSync(`/sys/bus/usb/devices/${name}/devnum`, "utf8").trim()}`];
      } catch {
        // It has just gone.
        return [];
      }
    });
  return { known: known.toSorted(), there: there.toSorted(), told };
}

export function endWatch(): void {
  watching?.close();
  watching = undefined;
}

/** How often the threads of a process have gone to sleep so far, and with that how often something woke them. */
export function wakeUps(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(join(`/proc/${pid}/task`, task, "status"), "utf8");
    sum += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
  }
  return sum;
}
