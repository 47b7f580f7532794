import { type Static, Type } from "@sinclair/typebox";
import { Failed, WrongUsage } from "../failure.ts";
import type { ChangeableState, StateKind } from "../state/state-store.ts";
import { Watchers } from "../watchers.ts";
import { autoBind, decide, mayAdmit, type Verdict } from "./decision.ts";
import type { ClientFacts, DeviceFacts, LinkKind } from "./facts.ts";
import { parseRule, printRule, type Rule, RuleError } from "./rule.ts";

const RULES_MAX = 1_000;
const LAST_NUMBER = 999_999_999;

const RulesSchema = Type.Object(
  {
    version: Type.Literal(1),
    next: Type.Integer({ minimum: 1, maximum: LAST_NUMBER, description: "the number of the next id" }),
    rules: Type.Array(
      Type.Object(
        {
          id: Type.String({ pattern: "^r[1-9][0-9]{0,8}$", description: "an id such as r1" }),
          rule: Type.String({ description: "a rule such as allow device=0781:5581" }),
        },
        { additionalProperties: false, description: "a rule with its id" },
      ),
      { description: "a list of rules" },
    ),
  },
  { additionalProperties: false, description: "a document with version, next and rules" },
);

export type RulesState = Static<typeof RulesSchema>;

export const RULES: StateKind<RulesState> = {
  file: "rules.json",
  version: 1,
  schema: RulesSchema,
  empty: { version: 1, next: 1, rules: [] },
  check(document) {
    const seen = new Set<string>();
    const { next } = document.value;
    for (const [i, { id, rule }] of document.value.rules.entries()) {
      if (seen.has(id)) throw document.refusal(["rules", i, "id"], `the id ${id} is there twice`);
      seen.add(id);
      if (Number(id.slice(1)) >= next) {
        throw document.refusal(["next"], `it has to be above the number of ${id}`);
      }
      const parsed = parseRule(rule);
      if (parsed instanceof RuleError) throw document.refusal(["rules", i, "rule"], parsed.message);
    }
  },
};

/** A rule as people and programs see it. */
export interface ListedRule {
  /** r1, r2, ...: never given twice. c1, c2, ...: by the order in the configuration. */
  readonly id: string;
  readonly rule: string;
  /** Where it is kept, and changed. */
  readonly source: "state" | "configuration";
}

/** A rule that can decide. */
export interface IdentifiedRule extends Rule {
  readonly id: string;
}

/** The operations on rules, wherever they are kept. */
export interface Policy {
  /** In the order in which they are asked. */
  list(): Promise<readonly ListedRule[]>;
  /** At a position counted from 1 among those of the state; behind them by default. */
  add(text: string, position?: number): Promise<ListedRule>;
  remove(id: string): Promise<ListedRule>;
  move(id: string, position: number): Promise<ListedRule>;
}

/**
 * The rules of a host, in the order in which they are asked: those of the state, which change while it runs, then
 * those of its configuration. A change holds when its promise resolves, and then it is durable.
 */
export class RuleBook implements Policy {
  readonly #store: ChangeableState<RulesState>;
  #configured: readonly IdentifiedRule[] = [];
  /** Those of the state, and the value they were read from. */
  #kept: readonly IdentifiedRule[] = [];
  #read: RulesState | undefined;
  /** Both, in the order in which they are asked; made anew when one has changed. */
  #all: readonly IdentifiedRule[] | undefined;
  readonly #watchers = new Watchers();

  /** `changed` runs when other rules hold than before. */
  constructor(store: ChangeableState<RulesState>, changed: () => void = () => {}) {
    this.#store = store;
    this.#watchers.add(changed);
  }

  /** The same, for as long as it is not ended by the answer. */
  watch(changed: () => void): () => void {
    return this.#watchers.add(changed);
  }

  /** Another process has changed those of the state. */
  changedElsewhere(): void {
    this.#watchers.tell();
  }

  /** Replaces the rules of the configuration. */
  configure(rules: readonly Rule[]): void {
    this.#configured = rules.map((rule, i) => ({ ...rule, id: `c${i + 1}` }));
    this.#all = undefined;
    this.#watchers.tell();
  }

  decide(device: DeviceFacts, client: ClientFacts): Verdict<IdentifiedRule> {
    return decide(this.#asked(), device, client);
  }

  autoBind(device: DeviceFacts): IdentifiedRule | undefined {
    return autoBind(this.#asked(), device);
  }

  /** Whether somebody beyond this machine could be allowed something, with these rules of the configuration. */
  mayAdmit(link: LinkKind, configured: readonly Rule[] = this.#configured): boolean {
    return mayAdmit([...this.#ofState(), ...configured], link);
  }

  async list(): Promise<readonly ListedRule[]> {
    return [
      ...listRules(this.#store.value),
      ...this.#configured.map((rule) => ({
        id: rule.id,
        rule: printRule(rule),
        source: "configuration" as const,
      })),
    ];
  }

  /** Rejects with WrongUsage if it is no rule, with Failed if it cannot be kept. */
  async add(text: string, position?: number): Promise<ListedRule> {
    const rule = parseRule(text);
    if (rule instanceof RuleError) throw new WrongUsage(rule.message);
    // Quoting makes it longer.
    const printed = parseRule(printRule(rule));
    if (printed instanceof RuleError) throw new WrongUsage(printed.message);
    let added!: RulesState["rules"][number];
    await this.#store.change((state) => {
      if (state.next >= LAST_NUMBER)
        throw new Failed("all numbers of rules were given: number those in the file anew.");
      if (state.rules.length >= RULES_MAX) {
        throw new Failed(`there are ${RULES_MAX} rules already: remove some first.`);
      }
      added = { id: `r${state.next}`, rule: printRule(rule) };
      const at = placeOf(position ?? state.rules.length + 1, state.rules.length + 1);
      return { ...state, next: state.next + 1, rules: state.rules.toSpliced(at, 0, added) };
    });
    this.#watchers.tell();
    return { ...added, source: "state" };
  }

  /** Rejects with Failed if there is none that can be removed. */
  async remove(id: string): Promise<ListedRule> {
    let removed!: RulesState["rules"][number];
    await this.#store.change((state) => {
      const at = this.#indexOf(state, id);
      removed = state.rules[at]!;
      return { ...state, rules: state.rules.toSpliced(at, 1) };
    });
    this.#watchers.tell();
    return { ...removed, source: "state" };
  }

  /** Gives it another place, counted from 1 among the rules of the state. */
  async move(id: string, position: number): Promise<ListedRule> {
    let moved!: RulesState["rules"][number];
    await this.#store.change((state) => {
      const at = this.#indexOf(state, id);
      moved = state.rules[at]!;
      const to = placeOf(position, state.rules.length);
      return { ...state, rules: state.rules.toSpliced(at, 1).toSpliced(to, 0, moved) };
    });
    this.#watchers.tell();
    return { ...moved, source: "state" };
  }

  #asked(): readonly IdentifiedRule[] {
    const ofState = this.#ofState();
    // A client may ask thousands of times in one read.
    this.#all ??= [...ofState, ...this.#configured];
    return this.#all;
  }

  #ofState(): readonly IdentifiedRule[] {
    const { value } = this.#store;
    if (this.#read !== value) {
      this.#read = value;
      this.#all = undefined;
      // Each was parsed before it came into the state.
      this.#kept = value.rules.map(({ id, rule }) => Object.assign({ id }, parseRule(rule) as Rule));
    }
    return this.#kept;
  }

  #indexOf(state: RulesState, id: string): number {
    const at = state.rules.findIndex((rule) => rule.id === id);
    if (at >= 0) return at;
    if (this.#configured.some((rule) => rule.id === id)) {
      throw new Failed(`${id} stands in the configuration: change it there and reload (SIGHUP).`);
    }
    throw new Failed(`there is no rule ${id}: \`usbferry policy list\` shows them.`);
  }
}

export function listRules({ rules }: RulesState): readonly ListedRule[] {
  return rules.map(({ id, rule }) => ({ id, rule, source: "state" }));
}

function placeOf(position: number, last: number): number {
  if (!Number.isInteger(position) || position < 1 || position > last) {
    throw new WrongUsage(`a position is a whole number from 1 to ${last}; ${position} is not.`);
  }
  return position - 1;
}
