import assert from "node:assert/strict";
import { json, type Place } from "../api/api-client.ts";
import { isAnswered, type KeptRule, type Unacknowledged } from "./rule-client.ts";

const OWN = 5;

/**
 * Moves one of its rules after the other to the front, one request at a time: nobody else inserts there, so that the
 * order of its rules tells which moves are kept.
 */
export class RuleMover {
  readonly #place: Place;
  /** As acknowledged. */
  #order: readonly string[] = [];
  /** With the move that is on its way. */
  #next: readonly string[] | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Adds its rules. */
  async begin(): Promise<void> {
    for (let i = 0; i < OWN; i++) {
      // oxlint-disable-next-line no-await-in-loop -- in order
      const { id } = (await json(this.#place, "/v1/rules", "POST", {
        rule: `deny serial=moved-${i}`,
      })) as KeptRule;
      this.#order = [...this.#order, id];
    }
  }

  /** As RuleClient's. */
  async changeUntilCut(isKilled: () => boolean): Promise<number> {
    for (let acknowledged = 0; ; acknowledged++) {
      const last = this.#order.at(-1)!;
      this.#next = [last, ...this.#order.slice(0, -1)];
      try {
        // oxlint-disable-next-line no-await-in-loop -- one at a time
        await json(this.#place, `/v1/rules/${last}/move`, "POST", { position: 1 });
      } catch (error) {
        if (!isKilled() || isAnswered(error)) throw error;
        return acknowledged;
      }
      this.#order = this.#next;
      this.#next = undefined;
    }
  }

  /** As RuleClient's. */
  judge(rules: readonly KeptRule[], unclaimed: Set<string>, round: string): Unacknowledged {
    const order = rules.map(({ id }) => id).filter((id) => this.#order.includes(id));
    assert.deepEqual(
      rules.slice(0, OWN).map(({ id }) => id),
      order,
      `${round}: its rules stand in front`,
    );
    const isMade = this.#next !== undefined && order.join() === this.#next.join();
    if (!isMade) assert.deepEqual(order, this.#order, `${round}: the order of the last acknowledged move`);
    for (const id of order) unclaimed.delete(id);
    const wasOpen = this.#next !== undefined;
    this.#order = order;
    this.#next = undefined;
    return { made: Number(isMade), notMade: Number(wasOpen && !isMade) };
  }
}
