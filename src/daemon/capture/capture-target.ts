import { deviceAttribute } from "../../vhci/kernel-device.ts";
import { Vhci } from "../../vhci/vhci.ts";
import { agentSocket, type ControlPlace } from "../api/control-place.ts";
import { readDeviceChoice, someOf } from "../device-choice.ts";
import { Failed } from "../failure.ts";
import { hostPlace, type LocalState, localState } from "../local-daemons.ts";
import { deviceNamed } from "../state/device-name.ts";
import { StateFolder } from "../state/state-folder.ts";

/** Where a device is recorded. */
export interface CaptureTarget {
  /** For people: what it is and who has it. */
  readonly name: string;
  readonly place: ControlPlace;
  readonly role: "serve" | "agent";
  /** Among those of its role: a bus id or a port. */
  readonly id: string;
  readonly path: string;
}

interface Named extends CaptureTarget {
  /** What it may be named by. */
  readonly names: readonly string[];
}

/** Everything that can be recorded here; rejects with Failed if nothing runs. */
export async function captureTargets(control: string | undefined): Promise<readonly CaptureTarget[]> {
  return namedTargets(await localState(control), control);
}

/**
 * The device that a DEV means: one that the host of this machine shares, or one that its agent has attached, which is also
 * named by its port. Rejects with WrongUsage or Failed.
 */
export async function captureTarget(text: string, control: string | undefined): Promise<CaptureTarget> {
  const wanted = (await deviceNamed(text, new StateFolder())).toLowerCase();
  const targets = namedTargets(await localState(control), control);
  const found = targets.filter(({ names }) => names.some((name) => name.toLowerCase() === wanted));
  // What this machine attached to itself is recorded where it comes from.
  const shared = found.filter(({ role }) => role === "serve");
  const meant = shared.length > 0 ? shared : found;
  if (meant.length === 1) return meant[0]!;
  if (meant.length > 1) {
    const names = meant.map(({ id }) => id);
    throw new Failed(`"${text}" may be ${names.join(" or ")}: name one of these.`);
  }
  if (!text.startsWith("/")) readDeviceChoice(text);
  const all = someOf(targets.map(({ id }) => id)) || "nothing";
  throw new Failed(
    `"${text}" is neither shared nor attached by usbferry on this machine; there is: ${all}. A real device is shared with ` +
      "`usbferry bind DEV`; one that only drivers of this machine use is recorded by Linux itself: sudo modprobe usbmon.",
  );
}

function namedTargets({ host, agent }: LocalState, control: string | undefined): readonly Named[] {
  const shared = (host?.devices ?? [])
    .filter(({ state }) => state === "free" || state === "attached")
    .map(({ busid, vid, pid, serial, product }) => {
      const id = vid === undefined || pid === undefined ? undefined : `${vid}:${pid}`;
      return {
        name: describe(busid, id, product, "of the host"),
        id: busid,
        names: [busid, ...idsOf(id, serial)],
        place: hostPlace(control)!,
        role: "serve" as const,
        path: `/v1/devices/${encodeURIComponent(busid)}/capture`,
      };
    });
  const attached = (agent?.devices ?? []).map(({ port, busid, node, sysfsName, address }) => {
    const id = idsOfKernel(sysfsName);
    return {
      name: describe(busid, id, undefined, `of ${address}, on port ${port}`),
      id: String(port),
      names: [String(port), busid, node, ...idsOf(id, undefined)],
      place: { kind: "unix", path: agentSocket() } as const,
      role: "agent" as const,
      path: `/v1/ports/${port}/capture`,
    };
  });
  return [...shared, ...attached];
}

function describe(busid: string, id: string | undefined, product: string | undefined, where: string): string {
  const about = [id, product].filter((part) => part !== undefined).join(" ");
  return `${busid} ${about === "" ? "" : `(${about}) `}${where}`;
}

function idsOf(id: string | undefined, serial: string | undefined): readonly string[] {
  if (id === undefined) return [];
  return serial === undefined ? [id] : [id, `${id}:${serial}`];
}

/** Neither needs the device's lock. */
function idsOfKernel(sysfsName: string): string | undefined {
  const vhci = new Vhci();
  const [vid, pid] = ["idVendor", "idProduct"].map((name) => deviceAttribute(vhci, sysfsName, name));
  return vid === "" || pid === "" ? undefined : `${vid}:${pid}`;
}
