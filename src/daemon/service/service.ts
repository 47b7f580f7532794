import { UDEV_RULES } from "../hardware/udev-rule.ts";
import { CONFIGURATION, firstConfiguration } from "./first-configuration.ts";
import { LAUNCHD_PATH, launchdFile } from "./launchd-file.ts";
import type { Program, ServiceFile, ServicePart, ServicePlan } from "./service-file.ts";
import { ServiceFolder } from "./service-folder.ts";
import { ServiceManager } from "./service-manager.ts";
import { systemdUnits, UNIT_FOLDER, unitNames } from "./systemd-units.ts";
import { udevRulesFile } from "./udev-rules-file.ts";

export type { Program, ServiceFile, ServicePart } from "./service-file.ts";

export interface ServiceRequest {
  readonly part: ServicePart;
  readonly program: Program;
  readonly config?: string | undefined;
  /** Addresses that the service manager opens. */
  readonly sockets: readonly string[];
  /** Whom all USB devices are given to. */
  readonly group?: string | undefined;
  /** Of an image that is not running: nothing is started. */
  readonly root?: string | undefined;
}

/** What was done, for a person. */
export interface ServiceChange {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Units that are started at each boot, and now. */
  readonly started: readonly string[];
  /** Files that were there and stay as they are. */
  readonly kept: readonly string[];
}

/** What `installService` would write, but for files that are there. Throws WrongUsage or Failed. */
export function serviceFiles(request: ServiceRequest, platform = process.platform): readonly ServiceFile[] {
  const plan = planOf(request);
  const own = platform === "darwin" ? [launchdFile(plan)] : systemdUnits(plan);
  const configuration = request.part === "host" ? [firstConfiguration(plan.config)] : [];
  const rules = request.group === undefined ? [] : [udevRulesFile(request.group)];
  return [...own, ...configuration, ...rules];
}

/** Runs a part of usbferry at each boot from now on. Throws WrongUsage, AccessDenied or Failed, and then nothing is changed. */
export function installService(request: ServiceRequest): ServiceChange {
  const files = serviceFiles(request);
  const plan = planOf(request);
  const manager = request.root === undefined && process.platform === "linux" && ServiceManager.require();
  const folder = new ServiceFolder(request.root ?? "/");
  const kept = files.filter(({ path }) => path === plan.config && folder.has(path));
  const written = files.filter((file) => !kept.includes(file));
  for (const { path } of written) if (path !== plan.config) folder.requireOurs(path);
  for (const file of written) folder.write(file);
  const started = unitNames(plan);
  if (manager) manager.start(started);
  return { written: pathsOf(written), removed: [], started: manager ? started : [], kept: pathsOf(kept) };
}

/** Runs a part at boots no more. Its configuration and its state stay. Throws AccessDenied or Failed. */
export function removeService(part: ServicePart, root?: string): ServiceChange {
  const folder = new ServiceFolder(root ?? "/");
  const names = part === "host" ? ["usbferry.service", "usbferry.socket"] : ["usbferry-agent.service"];
  const units = names.filter((name) => folder.has(`${UNIT_FOLDER}/${name}`));
  const paths = units.map((name) => `${UNIT_FOLDER}/${name}`);
  const others = part === "host" ? [UDEV_RULES, LAUNCHD_PATH].filter((path) => folder.has(path)) : [];
  const removed = [...paths, ...others].filter((path) => folder.isOurs(path));
  const manager = root === undefined && units.length > 0 && ServiceManager.require();
  if (manager) manager.stop(units);
  for (const path of removed) folder.remove(path);
  if (manager) manager.reload();
  const kept = [...paths, ...others].filter((path) => !removed.includes(path));
  return { written: [], removed, started: [], kept };
}

function planOf({ part, program, config = CONFIGURATION, sockets }: ServiceRequest): ServicePlan {
  return { part, program, config, sockets };
}

function pathsOf(files: readonly ServiceFile[]): readonly string[] {
  return files.map(({ path }) => path);
}
