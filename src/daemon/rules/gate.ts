import type { Link } from "../../links/link.ts";
import type { TransferCounters } from "../../usb/transfer-counters.ts";
import type { DeniedDevice } from "../../usbip/exports.ts";
import { hex4 } from "../device-description.ts";
import type { ExportTable, SharedDevice } from "../export-table.ts";
import type { Log } from "../log.ts";
import type { SessionExports } from "../session.ts";
import { isWanted, type SessionEnd } from "../session-end.ts";
import { decide, type Verdict } from "./decision.ts";
import { type ClientFacts, clientFacts, type DeviceFacts } from "./facts.ts";
import { printRule } from "./rule.ts";
import type { IdentifiedRule } from "./rule-book.ts";

/** Who may have what, at the time of the question. */
export interface RuleSource {
  decide(device: DeviceFacts, client: ClientFacts): Verdict<IdentifiedRule>;
  /** Calls back when it may decide otherwise from now on; the answer ends it. Without it that never happens. */
  watch?(changed: () => void): () => void;
}

/** The default alone. */
export const NO_RULES: RuleSource = { decide: (device, client) => decide([], device, client) };

/** Hears of each decision, and may ask for words: for those who look for a mistake in their rules. */
export type DecisionTrace = (describe: () => readonly [fields: object, line: string]) => void;

/** Clients that are told of changes: each of them has the rules asked for every device whenever one changes. */
const WATCHING = 128;

/** How many clients are told of changes. */
interface Watching {
  count: number;
}

/** Where clients come in: it asks the rules for each of them, and keeps the audit. */
export class Gate {
  readonly #rules: RuleSource;
  readonly #audit: Log;
  readonly #trace: DecisionTrace;
  readonly #watching: Watching = { count: 0 };

  constructor(rules: RuleSource, audit: Log, trace: DecisionTrace = () => {}) {
    this.#rules = rules;
    this.#audit = audit;
    this.#trace = trace;
  }

  /** What this client may see; `isDialled` if this host was told to bring devices to it. */
  admit(link: Link, isDialled: boolean, exports: ExportTable): Admission {
    const client = clientFacts(link, isDialled);
    return new Admission(link.peer, client, exports, this.#rules, this.#audit, this.#trace, this.#watching);
  }
}

/**
 * The devices of a host as one client sees them: those that the rules deny are not there. Whatever its session does with
 * the one that it imports goes into the audit.
 */
export class Admission implements SessionExports {
  readonly #peer: string;
  readonly #client: ClientFacts;
  readonly #exports: ExportTable;
  readonly #rules: RuleSource;
  readonly #audit: Log;
  readonly #trace: DecisionTrace;
  readonly #watching: Watching;
  /** What was asked for last, and why it was given. */
  #given: { readonly shared: SharedDevice; readonly verdict: Verdict<IdentifiedRule> } | undefined;
  #counters: TransferCounters | undefined;
  /** One line for each device, however often the client asks. */
  readonly #refused = new Set<SharedDevice>();

  constructor(
    peer: string,
    client: ClientFacts,
    exports: ExportTable,
    rules: RuleSource,
    audit: Log,
    trace: DecisionTrace,
    watching: Watching,
  ) {
    this.#watching = watching;
    this.#peer = peer;
    this.#client = client;
    this.#exports = exports;
    this.#rules = rules;
    this.#audit = audit;
    this.#trace = trace;
  }

  *devices(): Iterable<SharedDevice> {
    for (const shared of this.#exports.devices()) if (this.#verdict(shared).allowed) yield shared;
  }

  find(busid: string): SharedDevice | DeniedDevice | undefined {
    const shared = this.#exports.find(busid);
    if (shared === undefined) return undefined;
    const verdict = this.#verdict(shared);
    if (verdict.allowed) {
      this.#given = { shared, verdict };
      return shared;
    }
    this.#refuse(shared, verdict);
    return { denied: `it is denied ${reasonOf(verdict)}` };
  }

  /** Nothing if so many others are told already. */
  watch(changed: () => void): (() => void) | undefined {
    if (this.#watching.count >= WATCHING) return undefined;
    this.#watching.count++;
    const forget = [this.#exports.watch(changed), this.#rules.watch?.(changed)];
    return () => {
      this.#watching.count--;
      for (const end of forget) end?.();
    };
  }

  take(): void {
    this.#exports.mark(this.#given!.shared, true);
  }

  imported(counters: TransferCounters): void {
    this.#counters = counters;
    const { shared, verdict } = this.#given!;
    const rule = verdict.rule === undefined ? {} : { rule: verdict.rule.id };
    this.#audit.info(
      { code: "IMPORTED", ...this.#fields(shared), ...rule },
      `${this.#who} has ${shared.busid}`,
    );
  }

  returned(end: SessionEnd, durationMs: number): void {
    const { shared } = this.#given!;
    const { urbs, bytesIn, bytesOut, errors } = this.#counters!.read();
    const carried = { urbs, bytesIn, bytesOut, errors };
    const fields = { code: end.code, ...this.#fields(shared), durationMs, ...carried };
    const line = `${end.code} ${this.#who} with ${shared.busid} after ${durationMs / 1_000} s: ${end.reason}`;
    if (isWanted(end)) this.#audit.info(fields, line);
    else this.#audit.warn(fields, line);
  }

  giveBack(): void {
    this.#exports.mark(this.#given!.shared, false);
  }

  changed(): void {
    this.#exports.changed();
  }

  get #who(): string {
    const { uid, pid, name } = this.#client;
    if (name !== undefined) return `${this.#peer} (${name})`;
    return uid === undefined ? this.#peer : `${this.#peer} (user ${uid}, process ${pid})`;
  }

  #verdict({ facts }: SharedDevice): Verdict<IdentifiedRule> {
    const verdict = this.#rules.decide(facts, this.#client);
    const { allowed, rule } = verdict;
    const { busid } = facts;
    this.#trace(() => [
      { code: "DECIDED", peer: this.#peer, busid, allowed, rule: rule?.id ?? "default" },
      `DECIDED ${busid} is ${allowed ? "allowed" : "denied"} to ${this.#who} ${reasonOf(verdict)}`,
    ]);
    return verdict;
  }

  #refuse(shared: SharedDevice, verdict: Verdict<IdentifiedRule>): void {
    if (this.#refused.has(shared)) return;
    this.#refused.add(shared);
    this.#audit.warn(
      { code: "REFUSED", ...this.#fields(shared), rule: verdict.rule?.id ?? "default" },
      `REFUSED ${shared.busid} to ${this.#who} ${reasonOf(verdict)}`,
    );
  }

  #fields({ facts }: SharedDevice): object {
    const { busid, idVendor, idProduct, serial } = facts;
    const { uid, pid, name } = this.#client;
    return {
      peer: this.#peer,
      ...(name !== undefined && { name }),
      ...(uid !== undefined && { uid }),
      ...(pid !== undefined && { pid }),
      device: `${hex4(idVendor)}:${hex4(idProduct)}`,
      ...(serial !== undefined && { serial }),
      busid,
    };
  }
}

function reasonOf({ allowed, rule }: Verdict<IdentifiedRule>): string {
  if (rule !== undefined) return `by rule ${rule.id}: ${printRule(rule)}`;
  return allowed ? "by default" : "by default: no rule allows it";
}
