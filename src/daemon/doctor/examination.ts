import { release } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { VERSION } from "../version.ts";
import { AddressHop } from "./address-hop.ts";
import { AnswerHop } from "./answer-hop.ts";
import { Capture } from "./capture.ts";
import type { Check, CheckResult, Section } from "./check.ts";
import { ClassDrivers } from "./class-drivers.ts";
import { ConnectionHop } from "./connection-hop.ts";
import { Daemons, DaemonsCheck } from "./daemons.ts";
import { DeviceHolders } from "./device-holders.ts";
import { type Finding, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { Kernel } from "./kernel.ts";
import { NameHop } from "./name-hop.ts";
import { NodePermission, type Person } from "./node-permission.ts";
import { Platform } from "./platform.ts";
import { RouteHop } from "./route-hop.ts";
import { SocketFileHop } from "./socket-file-hop.ts";
import { StockTool } from "./stock-tool.ts";
import { SystemRoot } from "./system-root.ts";
import { Udev } from "./udev.ts";
import { Usbfs } from "./usbfs.ts";
import { UsbfsMemory } from "./usbfs-memory.ts";
import { UsbipDebug } from "./usbip-debug.ts";
import { VhciModule } from "./vhci-module.ts";
import { VhciPermission } from "./vhci-permission.ts";
import { VhciPorts } from "./vhci-ports.ts";
import { WslusbAnswerHop } from "./wslusb-answer-hop.ts";

export type { CheckResult } from "./check.ts";
export type { Finding, Severity } from "./finding.ts";

/** Above what any check may take by its own limits; those of one section add up to less than 15 s. */
const CHECK_MS = 8_000;

/** Which part this machine plays. */
export type Side = "guest" | "host" | "both";

/** What was looked at, in the order of the way that a device takes. */
export interface Diagnosis {
  readonly version: string;
  readonly kernel: string;
  readonly address?: string;
  /** Nothing stands in the way. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
}

export interface ExaminationRequest {
  /** The host to reach; without it this machine alone is looked at. */
  readonly address: string | undefined;
  readonly side: Side;
}

/** Looks at everything; changes nothing, and ends in time whatever hangs. */
export async function examine(request: ExaminationRequest, root = ownRoot()): Promise<Diagnosis> {
  const kernel = new Kernel(root);
  const { address } = request;
  // One section after the other would add up what each waits for.
  const results = await Promise.all(sections(request, root, kernel).map(examineSection));
  const checks = results.flat();
  return {
    version: VERSION,
    kernel: kernel.release || release(),
    ...(address !== undefined && { address }),
    ok: !checks.some(({ findings }) => findings.some(({ severity }) => severity === "problem")),
    checks,
  };
}

/** The usual places, or those below the folder that USBFERRY_ROOT names: a container may have them there. */
function ownRoot(): SystemRoot {
  const { USBFERRY_ROOT = "" } = process.env;
  return new SystemRoot(USBFERRY_ROOT === "" ? "/" : USBFERRY_ROOT);
}

function sections(
  { address, side }: ExaminationRequest,
  root: SystemRoot,
  kernel: Kernel,
): readonly Section[] {
  const person = whoLooks();
  const daemons = new Daemons();
  const guest = {
    name: "This machine as a guest",
    checks: [
      new VhciModule(root, kernel),
      new VhciPermission(root, person.uid),
      new VhciPorts(root),
      new UsbipDebug(root, kernel),
      new Udev(root, person.uid),
      new ClassDrivers(root, kernel),
    ],
  };
  const host = {
    name: "This machine as a host",
    checks: [
      new Usbfs(root, kernel),
      new NodePermission(root, person),
      new DeviceHolders(root, person.uid, async () => (await daemons.host())?.pid),
      new UsbfsMemory(root),
      new Capture(root),
    ],
  };
  const programs = { name: "Programs", checks: [new DaemonsCheck(daemons), new StockTool()] };
  const own = [...(side === "host" ? [] : [guest]), ...(side === "guest" ? [] : [host])];
  return [
    ...(process.platform === "linux" ? own : [{ name: "This machine", checks: [new Platform()] }]),
    programs,
    ...(address === undefined ? [] : [way(address, root, kernel, daemons)]),
  ];
}

function way(text: string, root: SystemRoot, kernel: Kernel, daemons: Daemons): Section {
  const journey: Journey = { text, hosts: [], places: [] };
  return {
    name: `The way to ${text}`,
    isChain: true,
    checks: [
      new AddressHop(journey),
      new NameHop(journey, root),
      new RouteHop(journey, root),
      new SocketFileHop(journey),
      new ConnectionHop(journey, root, kernel.surroundings),
      new AnswerHop(journey, daemons),
      new WslusbAnswerHop(journey, daemons),
    ],
  };
}

function whoLooks(): Person {
  return {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
  };
}

export async function examineSection({
  name: section,
  checks,
  isChain,
}: Section): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    // oxlint-disable-next-line no-await-in-loop -- the order is that of the way
    const findings = await inTime(check);
    if (findings.length > 0) results.push({ section, name: check.name, findings });
    if (isChain === true && findings.some(({ severity }) => severity === "problem")) break;
  }
  return results;
}

/** One check that fails or hangs does not keep the others from speaking. */
async function inTime(check: Check): Promise<readonly Finding[]> {
  const done = new AbortController();
  try {
    const findings = await Promise.race([
      Promise.resolve(check.run()),
      sleep(CHECK_MS, undefined, { signal: done.signal }),
    ]);
    return findings ?? [timedOut(check.name)];
  } catch (error) {
    return [failed(check.name, error as Error)];
  } finally {
    done.abort();
  }
}

function timedOut(name: string): Finding {
  return problem("CHECK_TIMED_OUT", {
    what: `Looking at "${name}" took longer than ${CHECK_MS / 1_000} s and was given up.`,
    why: "The system does not answer: a file, a program or the network hangs.",
    next: ["Run it again. See what hangs: ps -eo pid,stat,wchan:30,cmd | grep ' D'"],
  });
}

function failed(name: string, error: Error): Finding {
  return problem("CHECK_FAILED", {
    what: `Looking at "${name}" failed: ${error.message}`,
    why: "The system answers in a way that this check does not expect.",
    next: ["Run it with USBFERRY_DEBUG=1 and report it, with what the other checks say."],
  });
}
