import type { Core } from "./core.ts";

/** The words that both sides share; lines of the ring follow. */
export const Cell = {
  producer_index: 0,
  consumer_index: 1,
  producer_flags: 2,
  consumer_flags: 3,
  /** The one that the producer rings counts up, and the one that the consumer rings. */
  producer_bell: 4,
  consumer_bell: 5,
  lines: 6,
} as const;

/** A side that has set it looks by itself. One that sleeps, or has not begun, has not. */
export const NO_NOTIFY = 1;

/** The two sides of one ring. */
export const PRODUCER = 0;
export const CONSUMER = 1;

/**
 * How a side sleeps that waits.
 * - `descriptor`: until a byte comes, which stays there until it is read.
 * - `word`: by futex, as long as the other side's bell is what it was before the own side asked for a wake-up.
 */
export type Wait = "descriptor" | "word";

/** What of the protocol is in force. Each of them is needed: the check fails without it. */
export interface RingRules {
  /** Between publishing an index and looking whether the other side sleeps. */
  readonly fenceAfterIndex: boolean;
  /** Between asking for a wake-up and looking at the index again. */
  readonly fenceAfterFlag: boolean;
  /** The index is stored with release: what was written before is seen by whoever sees it. */
  readonly releaseIndex: boolean;
  /** Who has asked for a wake-up looks at the index once more before it sleeps. */
  readonly lookAgain: boolean;
  /** What a bell was is looked up before a wake-up is asked for. Of waits for a word. */
  readonly bellBeforeFlag: boolean;
  /** Between counting up a bell and waking up who waits for that. Of waits for a word; the system call itself is one. */
  readonly fenceAfterBell: boolean;
  /** The producer looks for room before it writes. */
  readonly lookForRoom: boolean;
  /** The consumer gives room back only after it has read. */
  readonly readBeforeRoom: boolean;
}

export const RING_RULES: RingRules = {
  fenceAfterIndex: true,
  fenceAfterFlag: true,
  releaseIndex: true,
  lookAgain: true,
  bellBeforeFlag: true,
  fenceAfterBell: true,
  lookForRoom: true,
  readBeforeRoom: true,
};

/** How large the ring is that is checked. Indices are free-running bytes, as in the ring itself. */
export interface RingSize {
  readonly lineBytes: number;
  readonly lines: number;
  readonly messages: number;
  /** Where the indices begin, and where they wrap. */
  readonly firstIndex: number;
  readonly indexModulus: number;
}

/**
 * One side as a table of steps, each of which touches shared memory once. `at` is where it stands, and what it remembers
 * is its own: how many messages it has behind it.
 */
export type Program = Readonly<Record<string, (core: Core) => void>>;

export function ringPrograms(wait: Wait, rules: RingRules, size: RingSize): readonly [Program, Program] {
  const { lineBytes, lines, messages, firstIndex, indexModulus } = size;
  const ringBytes = lineBytes * lines;
  const indexAfter = (count: number) => (firstIndex + count * lineBytes) % indexModulus;
  const lineOf = (count: number) => Cell.lines + (indexAfter(count) % ringBytes) / lineBytes;
  const isFull = (produced: number, consumed: number) =>
    (produced - consumed + indexModulus) % indexModulus === ringBytes;

  const producer: Program = {
    begin: (core) => core.go(core.count === messages ? "end" : rules.lookForRoom ? "look for room" : "write"),
    "look for room": (core) =>
      core.go(isFull(indexAfter(core.count), core.load(Cell.consumer_index)) ? "ask for a wake-up" : "write"),
    write: (core) => core.store(lineOf(core.count), core.count + 1, false, "publish"),
    publish: (core) =>
      core.store(
        Cell.producer_index,
        indexAfter(core.count + 1),
        rules.releaseIndex,
        "published",
        core.count + 1,
      ),
    published: (core) => core.fence(rules.fenceAfterIndex, "look for sleeper"),
    "look for sleeper": (core) => core.go(core.load(Cell.consumer_flags) === NO_NOTIFY ? "begin" : "wake"),
    ...waking(wait, rules, Cell.producer_bell, CONSUMER),
    ...sleeping(wait, rules, Cell.producer_flags, Cell.consumer_bell, (core) =>
      isFull(indexAfter(core.count), core.load(Cell.consumer_index)),
    ),
  };

  const afterRead = rules.readBeforeRoom ? "give room" : "gave room";
  const consumer: Program = {
    begin: (core) =>
      core.go(
        core.load(Cell.producer_index) === indexAfter(core.count)
          ? "ask for a wake-up"
          : rules.readBeforeRoom
            ? "read"
            : "give room",
      ),
    read: (core) => core.take(core.load(lineOf(core.count)), afterRead),
    "give room": (core) =>
      core.store(
        Cell.consumer_index,
        indexAfter(rules.readBeforeRoom ? core.count : core.count + 1),
        rules.releaseIndex,
        rules.readBeforeRoom ? "gave room" : "read",
      ),
    "gave room": (core) => core.fence(rules.fenceAfterIndex, "look for sleeper"),
    "look for sleeper": (core) => core.go(core.load(Cell.producer_flags) === NO_NOTIFY ? "begin" : "wake"),
    ...waking(wait, rules, Cell.consumer_bell, PRODUCER),
    ...sleeping(
      wait,
      rules,
      Cell.consumer_flags,
      Cell.producer_bell,
      (core) => core.load(Cell.producer_index) === indexAfter(core.count),
    ),
  };
  return [producer, consumer];
}

/** How either side wakes the other one up. */
function waking(wait: Wait, rules: RingRules, bell: number, other: number): Program {
  if (wait === "descriptor") return { wake: (core) => core.ring(other, "begin") };
  return {
    wake: (core) => core.store(bell, core.load(bell) + 1, false, "rung"),
    rung: (core) => core.fence(rules.fenceAfterBell, "wake sleeper"),
    "wake sleeper": (core) => core.wakeSleeper(other, "begin"),
  };
}

/** How either side goes to sleep: the mirror of "publish, fence, look for sleeper". */
function sleeping(
  wait: Wait,
  rules: RingRules,
  flags: number,
  bell: number,
  hasNothing: (core: Core) => boolean,
): Program {
  const asks: Program = {
    asked: (core) => core.fence(rules.fenceAfterFlag, rules.lookAgain ? "look again" : "sleep"),
    "wake up": (core) => core.store(flags, NO_NOTIFY, false, "begin"),
  };
  if (wait === "descriptor") {
    return {
      ...asks,
      "ask for a wake-up": (core) => core.store(flags, 0, false, "asked"),
      "look again": (core) => core.go(hasNothing(core) ? "sleep" : "wake up"),
      sleep: (core) => core.hear("wake up"),
    };
  }
  const first = rules.bellBeforeFlag;
  return {
    ...asks,
    "ask for a wake-up": (core) =>
      first ? core.note(core.load(bell), "ask now") : core.store(flags, 0, false, "asked"),
    "ask now": (core) => core.store(flags, 0, false, "asked"),
    "look again": (core) => core.go(hasNothing(core) ? (first ? "sleep" : "note late") : "wake up"),
    "note late": (core) => core.note(core.load(bell), "sleep"),
    sleep: (core) => core.sleepWhile(bell, "asleep", "wake up"),
    asleep: (core) => core.hear("wake up"),
  };
}
