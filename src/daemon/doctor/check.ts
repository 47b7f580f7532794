import type { Finding } from "./finding.ts";

/** One thing that is looked at. It changes nothing, and waits for nothing that may not come. */
export interface Check {
  readonly name: string;
  /** Nothing where there is nothing to look at; what stands in its way is another check's to tell. */
  run(): readonly Finding[] | Promise<readonly Finding[]>;
}

export interface Section {
  readonly name: string;
  readonly checks: readonly Check[];
  /** Each check stands on the ones before: the first problem ends the section. */
  readonly isChain?: true;
}

export interface CheckResult {
  readonly section: string;
  readonly name: string;
  readonly findings: readonly Finding[];
}
