import { askDaemon } from "../api/control-client.ts";
import type { ControlPlace } from "../api/control-place.ts";
import type { Device } from "../api/documents/device.ts";
import type { Given } from "../api/documents/document.ts";
import { hostRuns } from "../rules/policy-through.ts";
import { BINDS, BindList } from "../state/binds.ts";
import { type StateFolder, StateHeld } from "../state/state-folder.ts";
import { type Binding, bindDevice, boundDevices, unbindDevices, type WantedDevice } from "./binding.ts";
import { alikeWarnings, hasIdentity } from "./hardware-identity.ts";
import { describeHardware } from "./hardware-state.ts";
import { HostBinding } from "./host-binding.ts";
import { machineRoots } from "./machine-roots.ts";
import { usbBackend } from "./usb-backend.ts";

/** A device of this machine, or a gadget of the host that runs here. */
export type LocalDevice = Given<typeof Device.static>;

/** What there is on this machine. */
export interface LocalDevices {
  readonly devices: readonly LocalDevice[];
  readonly binds: readonly WantedDevice[];
  readonly warnings: readonly string[];
  /** Somebody shares them. */
  readonly isServed: boolean;
}

/**
 * Binds from outside of a host: through the host that keeps the list, if one runs, which is controlled at `place`; else
 * on the files of the folder. Rejects with what `work` rejects with, and with Failed.
 */
export async function bindingThrough<T>(
  folder: StateFolder,
  place: ControlPlace | undefined,
  work: (binding: Binding) => Promise<T>,
): Promise<T> {
  const opened = await folder.open(BINDS).catch((error: unknown) => {
    if (error instanceof StateHeld) return error;
    throw error;
  });
  if (opened instanceof StateHeld) {
    if (place === undefined || !(await isHostOf(folder, place))) throw hostRuns(opened, folder, place);
    return work(new HostBinding(place));
  }
  try {
    return await work(await storedBinding(new BindList(opened.store)));
  } finally {
    await opened.close();
  }
}

/** All that is plugged in, shared or not: as the host that runs here sees it, else as it is. */
export async function localDevices(
  folder: StateFolder,
  place: ControlPlace | undefined,
): Promise<LocalDevices> {
  const ask = <T>(path: string): Promise<T | undefined> =>
    askDaemon<T>(place!, "serve", { method: "GET", path });
  const devices = place === undefined ? undefined : await ask<readonly LocalDevice[]>("/v1/devices");
  const listed = devices && (await ask<Pick<LocalDevices, "binds" | "warnings">>("/v1/binds"));
  if (devices !== undefined && listed !== undefined) return { devices, ...listed, isServed: true };
  const found = await usbBackend().enumerate(machineRoots());
  const { binds } = await folder.read(BINDS);
  return {
    devices: found.map((device) => {
      const isBound = binds.some((bind) => hasIdentity(device, bind));
      return describeHardware(device, isBound ? { attached: false, because: "bound" } : undefined);
    }),
    binds: boundDevices(binds, found),
    warnings: alikeWarnings(found),
    isServed: false,
  };
}

async function storedBinding(binds: BindList): Promise<Binding> {
  const roots = machineRoots();
  const devices = await usbBackend().enumerate(roots);
  return {
    bind: (text, force) => bindDevice(binds, devices, roots, text, force),
    unbind: (text) => unbindDevices(binds, devices, text),
    unbindAll: () => unbindDevices(binds, devices, undefined),
  };
}

async function isHostOf(folder: StateFolder, place: ControlPlace): Promise<boolean> {
  const state = await askDaemon<{ readonly stateFolder: string }>(place, "serve", {
    method: "GET",
    path: "/v1/state",
  });
  return state?.stateFolder === folder.path;
}
