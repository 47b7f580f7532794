import assert from "node:assert/strict";
import { json, type Place } from "../api/api-client.ts";

export interface KeptRule {
  readonly id: string;
  readonly rule: string;
}

/** What became of changes that were asked for and not acknowledged. */
export interface Unacknowledged {
  readonly made: number;
  readonly notMade: number;
}

type Fate = "asked for" | "acknowledged" | "removal asked for" | "removal acknowledged";

/** So many rules of one client are kept; what comes above is removed. */
const KEPT = 12;
/** Makes a file so long that writing it takes time. */
const PADDING = "x".repeat(400);

/** Adds and removes rules of its own, three requests at a time, and knows what was acknowledged. */
export class RuleClient {
  readonly #place: Place;
  readonly #name: string;
  /** By their text, each of which is asked for once. */
  readonly #fates = new Map<string, { fate: Fate; id?: string }>();
  #added = 0;

  constructor(place: Place, name: string) {
    this.#place = place;
    this.#name = name;
  }

  /** Until the daemon is gone, which is wrong as long as nobody has killed it. Resolves with the number of acknowledged changes. */
  async changeUntilCut(isKilled: () => boolean): Promise<number> {
    let acknowledged = 0;
    const count = async (change: Promise<void>): Promise<void> => {
      await change;
      acknowledged++;
    };
    for (;;) {
      const changes = [this.#add(), this.#add()];
      const own = Array.from(this.#fates).filter(([, { fate }]) => fate === "acknowledged");
      if (own.length > KEPT) changes.push(...own.slice(0, 2).map(([text]) => this.#remove(text)));
      // oxlint-disable-next-line no-await-in-loop -- so many at a time
      const results = await Promise.allSettled(changes.map(count));
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined) continue;
      if (!isKilled() || isAnswered(failed.reason)) throw failed.reason;
      return acknowledged;
    }
  }

  /** Takes its rules out of `unclaimed`, and goes on with what it finds. */
  judge(rules: readonly KeptRule[], unclaimed: Set<string>, round: string): Unacknowledged {
    let made = 0;
    let notMade = 0;
    const kept = new Map(rules.map(({ id, rule }) => [rule, id]));
    for (const [text, known] of this.#fates) {
      const id = kept.get(text);
      const { fate } = known;
      if (id !== undefined) {
        assert.equal(id, known.id ?? id, `${round}: a rule has another id than was acknowledged`);
        assert(unclaimed.delete(id), `${round}: ${id} is there twice`);
      }
      if (fate === "acknowledged")
        assert(id !== undefined, `${round}: ${known.id} was acknowledged and is lost`);
      if (fate === "removal acknowledged")
        assert(id === undefined, `${round}: ${id} was removed and is back`);
      if (fate === "asked for" || fate === "removal asked for") {
        if ((fate === "asked for") === (id !== undefined)) made++;
        else notMade++;
      }
      if (id === undefined) known.fate = "removal acknowledged";
      else this.#fates.set(text, { fate: "acknowledged", id });
    }
    return { made, notMade };
  }

  async #add(): Promise<void> {
    const text = `deny serial=${this.#name}-${this.#added++}-${PADDING}`;
    this.#fates.set(text, { fate: "asked for" });
    const { id, rule } = (await json(this.#place, "/v1/rules", "POST", { rule: text })) as KeptRule;
    assert.equal(rule, text);
    this.#fates.set(text, { fate: "acknowledged", id });
  }

  async #remove(text: string): Promise<void> {
    const known = this.#fates.get(text)!;
    known.fate = "removal asked for";
    const { rule } = (await json(this.#place, `/v1/rules/${known.id}`, "DELETE")) as KeptRule;
    assert.equal(rule, text);
    known.fate = "removal acknowledged";
  }
}

/** A killed daemon answers nothing; an answer that is not good is a defect whenever it comes. */
export function isAnswered(reason: unknown): boolean {
  const { code, message } = reason as NodeJS.ErrnoException;
  return code === undefined && !message.endsWith("the answer was cut");
}
