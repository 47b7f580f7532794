import { CERTIFICATE_REFUSALS } from "../links/certificate.ts";
import { LinkError } from "../links/link-error.ts";
import { SystemError } from "../linux/system-error.ts";
import { VhciError } from "../vhci/vhci-error.ts";

/** Asked for something that does not exist, or is not built yet. */
export class WrongUsage extends Error {}

/** Somebody has to allow it first. */
export class AccessDenied extends Error {}

/** It was asked for rightly and did not work. */
export class Failed extends Error {}

export type FailureKind = "wrong usage" | "access denied" | "failed" | "defect";

const DENIALS: ReadonlySet<string> = new Set(["EACCES", "EPERM", ...CERTIFICATE_REFUSALS]);

/** Sorts what the functions of this room throw. A `defect` is ours: its message alone does not help a user. */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof WrongUsage) return "wrong usage";
  if (error instanceof AccessDenied) return "access denied";
  if (error instanceof LinkError || error instanceof SystemError) {
    return DENIALS.has(error.code) ? "access denied" : "failed";
  }
  if (error instanceof VhciError) return error.code === "NO_PERMISSION" ? "access denied" : "failed";
  return error instanceof Failed ? "failed" : "defect";
}
