import assert from "node:assert/strict";
import type { Diagnosis, Finding, Side } from "../../src/daemon/doctor/examination.ts";
import type { Guest } from "./guest.ts";

const EXAMINATION_MS = 60_000;

/** For a scenario that looks again and again; seconds each time where other guests are at work. */
export const DOCTOR_MS = 300_000;

/** What `usbferry doctor` finds in the guest, without starting a node for it. */
export class Examination {
  readonly diagnosis: Diagnosis;

  constructor(diagnosis: Diagnosis) {
    this.diagnosis = diagnosis;
  }

  static async of(guest: Guest, side: Side, address?: string): Promise<Examination> {
    const request = { side, ...(address !== undefined && { address }) };
    const module = "src/daemon/doctor/examination.js";
    return new Examination((await guest.call(module, "examine", [request], EXAMINATION_MS)) as Diagnosis);
  }

  get codes(): readonly string[] {
    return this.#findings.map(({ code }) => code);
  }

  get problems(): readonly string[] {
    return this.#findings.filter(({ severity }) => severity === "problem").map(({ code }) => code);
  }

  /** The only finding with this code. */
  one(code: string): Finding {
    const found = this.#findings.filter((finding) => finding.code === code);
    assert.equal(found.length, 1, `${code} among ${JSON.stringify(this.#findings, undefined, 1)}`);
    return found[0]!;
  }

  get #findings(): readonly Finding[] {
    return this.diagnosis.checks.flatMap(({ findings }) => findings);
  }
}

/** Does what a finding says, as root: its steps that are lines for a shell. */
export async function follow(guest: Guest, finding: Finding, step = 0): Promise<void> {
  await guest.shell(finding.next![step]!.replaceAll("sudo ", ""));
}
