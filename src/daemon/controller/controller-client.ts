import { printAddress } from "../../links/address.ts";
import { askDaemon, type Question } from "../api/control-client.ts";
import { readControlPlace } from "../api/control-place.ts";
import { Failed, WrongUsage } from "../failure.ts";
import type { AskedDevice } from "./device-source.ts";

/** What a controller says of itself. */
export interface ControllerState {
  readonly role: "controller";
  readonly version: string;
  /** Whether a VM has it. */
  readonly connected: boolean;
  readonly devices: readonly AskedDevice[];
}

/** What has passed between VMs and the devices of a controller since its start. */
export interface ControllerTraffic {
  /** Accesses to registers that a processor of the VM waited for. */
  readonly answered: number;
  /** Those that it did not wait for. */
  readonly posted: number;
  readonly interrupts: number;
  /** URBs that devices were given. */
  readonly transfers: number;
}

export function controllerState(control: string): Promise<ControllerState> {
  return ask(control, { method: "GET", path: "/v1/state" });
}

export function controllerTraffic(control: string): Promise<ControllerTraffic> {
  return ask(control, { method: "GET", path: "/v1/traffic" });
}

/** `force`: also a device that this machine needs. */
export function plugDevice(control: string, device: string, force = false): Promise<AskedDevice> {
  return ask(control, { method: "POST", path: "/v1/devices", body: { device, force } });
}

export function unplugDevice(control: string, device: string): Promise<AskedDevice> {
  return ask(control, { method: "POST", path: "/v1/unplug", body: { device } });
}

/** Rejects with what the controller had to reject, or Failed if none is controlled there. */
async function ask<T>(control: string, question: Question): Promise<T> {
  const place = readControlPlace(control);
  if (place?.kind !== "unix") {
    throw new WrongUsage(`"${control}" is no control socket of a controller: write its path.`);
  }
  const answer = await askDaemon<T>(place, "controller", question);
  if (answer !== undefined) return answer;
  throw new Failed(
    `no controller is controlled at ${printAddress(place)}. Start one with \`usbferry controller --socket-path PATH ` +
      `--control ${place.path}\`.`,
  );
}
