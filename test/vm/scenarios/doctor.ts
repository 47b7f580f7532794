import type { Scenario } from "../scenario.ts";
import { classDrivers } from "./doctor-drivers.ts";
import { holders, noUsb } from "./doctor-holders.ts";
import { debugMessages, fullPorts, kernelModule, readOnlySysfs, udevStates } from "./doctor-kernel.ts";
import { person } from "./doctor-person.ts";
import { answers, firewalls, wayToHost } from "./doctor-way.ts";

/** Each broken state is made, found, and mended as the finding says; the first ones need a guest without modules. */
export const doctor: readonly Scenario[] = [
  noUsb,
  kernelModule,
  readOnlySysfs,
  fullPorts,
  debugMessages,
  udevStates,
  classDrivers,
  holders,
  wayToHost,
  firewalls,
  answers,
  person,
];

/** What may differ between kernels. */
export const doctorShort: readonly Scenario[] = [noUsb, kernelModule, debugMessages, classDrivers, holders];
