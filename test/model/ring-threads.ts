import type { Core } from "./core.ts";

/** The words that both sides share; lines of the ring follow. */
export const Cell = {
  producer_index: 0,
  consumer_index: 1,
  producer_flags: 2,
  consumer_flags: 3,
  lines: 4,
} as const;

/** A side that has set it looks by itself. One that sleeps, or has not begun, has not. */
export const NO_NOTIFY = 1;

/** The two sides of one ring. */
export const PRODUCER = 0;
export const CONSUMER = 1;

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

export function ringPrograms(rules: RingRules, size: RingSize): readonly [Program, Program] {
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
    wake: (core) => core.wake(CONSUMER, "begin"),
    ...sleeping(
      rules,
      Cell.producer_flags,
      (core) => isFull(indexAfter(core.count), core.load(Cell.consumer_index)),
      "begin",
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
    wake: (core) => core.wake(PRODUCER, "begin"),
    ...sleeping(
      rules,
      Cell.consumer_flags,
      (core) => core.load(Cell.producer_index) === indexAfter(core.count),
      "begin",
    ),
  };
  return [producer, consumer];
}

/** How either side goes to sleep: the mirror of "publish, fence, look for sleeper". */
function sleeping(
  rules: RingRules,
  flags: number,
  hasNothing: (core: Core) => boolean,
  awake: string,
): Program {
  return {
    "ask for a wake-up": (core) => core.store(flags, 0, false, "asked"),
    asked: (core) => core.fence(rules.fenceAfterFlag, rules.lookAgain ? "look again" : "sleep"),
    "look again": (core) => core.go(hasNothing(core) ? "sleep" : "wake up"),
    sleep: (core) => core.sleep("wake up"),
    "wake up": (core) => core.store(flags, NO_NOTIFY, false, awake),
  };
}
