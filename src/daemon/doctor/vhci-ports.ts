import { PortState, type PortStatus } from "../../vhci/port-status.ts";
import { Vhci } from "../../vhci/vhci.ts";
import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { SystemRoot } from "./system-root.ts";
import { VHCI_FOLDER } from "./vhci-module.ts";

const HUBS = { hs: "up to high speed", ss: "of super speed" } as const;

/** Whether there is a port left, on each of the two hubs of every controller. */
export class VhciPorts implements Check {
  readonly name = "ports";
  readonly #root: SystemRoot;

  constructor(root: SystemRoot) {
    this.#root = root;
  }

  run(): readonly Finding[] {
    if (!this.#root.exists(`${VHCI_FOLDER}/attach`)) return [];
    const ports = new Vhci(this.#root.path(VHCI_FOLDER)).ports();
    const findings: Finding[] = [];
    for (const hub of ["hs", "ss"] as const) {
      const own = ports.filter((port) => port.hub === hub);
      if (!own.some(isFree)) findings.push(full(hub, own.length));
    }
    const broken = ports.filter(({ state }) => state === PortState.ERROR);
    if (broken.length > 0) findings.push(inError(broken));
    if (findings.length > 0) return findings;
    return [ok("PORTS_FREE", `${ports.filter(isFree).length} of ${ports.length} ports are free.`)];
  }
}

function isFree({ state }: PortStatus): boolean {
  return state === PortState.FREE;
}

function full(hub: keyof typeof HUBS, count: number): Finding {
  return problem("PORTS_FULL", {
    what: `No port is free for a device ${HUBS[hub]}: all ${count} are in use.`,
    why: "The kernel has CONFIG_USBIP_VHCI_HC_PORTS ports for each kind of speed on each of its CONFIG_USBIP_VHCI_NR_HCS controllers.",
    next: ["See what is attached: usbferry ports", "Free a port: sudo usbferry detach PORT"],
  });
}

function inError(broken: readonly PortStatus[]): Finding {
  const numbers = broken.map(({ port }) => port).join(", ");
  return note("PORTS_IN_ERROR", {
    what: `The kernel has given up on what is on port ${numbers}.`,
    why: "Its connection broke in a way that the kernel could not clean up after.",
    next: [`sudo usbferry detach ${broken[0]!.port}`],
  });
}
