import { Core, type Side } from "./core.ts";
import type { Model, Step } from "./explore.ts";
import {
  Cell,
  CONSUMER,
  PRODUCER,
  type RingRules,
  type RingSize,
  ringPrograms,
  type Wait,
} from "./ring-threads.ts";
import { StoreBuffers, type StoreOrder } from "./store-buffers.ts";

export interface RingState {
  readonly memory: StoreBuffers;
  /** Rings that a side has not heard. */
  readonly bells: readonly boolean[];
  readonly sides: readonly Side[];
  readonly broken?: string;
}

const NAMES = ["producer", "consumer"];

/** One ring with a producer and a consumer that sleep when they have nothing to do. */
export function ringModel(order: StoreOrder, wait: Wait, rules: RingRules, size: RingSize): Model<RingState> {
  const programs = ringPrograms(wait, rules, size);
  const { firstIndex, lines, messages } = size;
  const cells = [firstIndex, firstIndex, 0, 0, 0, 0, ...Array.from({ length: lines }, () => 0)];

  const takeStep = (state: RingState, thread: number): Step<RingState>[] => {
    const side = state.sides[thread]!;
    if (side.at === "end") return [];
    const memory = state.memory.copy();
    const bells = [...state.bells];
    const core = new Core(memory, bells, thread, side, (other) => state.sides[other]!.at === "asleep");
    programs[thread]![side.at]!(core);
    if (!core.moved) return [];
    const sides = state.sides.with(thread, core.side);
    const next: RingState = { memory, bells, sides, ...(core.misread && { broken: core.misread }) };
    return [{ name: `${NAMES[thread]}: ${side.at}`, next }];
  };

  const letLeave = (state: RingState, thread: number): Step<RingState>[] =>
    state.memory.leaving(thread).map((place) => {
      const memory = state.memory.copy();
      const { cell, value } = memory.leave(thread, place);
      const read = state.sides[CONSUMER]!.count;
      // Message n overwrites message n - lines.
      const unread = cell >= Cell.lines && value - lines > read;
      const broken = unread && `message ${value} is written over message ${value - lines}, which is not read`;
      const next: RingState = { ...state, memory, ...(broken && { broken }) };
      return { name: `${NAMES[thread]}'s store of cell ${cell} leaves`, next };
    });

  const steps = (state: RingState): Step<RingState>[] =>
    [PRODUCER, CONSUMER].flatMap((thread) => takeStep(state, thread).concat(letLeave(state, thread)));

  return {
    initial: {
      memory: StoreBuffers.of(order, cells, 2),
      bells: [false, false],
      sides: [
        { at: "begin", count: 0, noted: 0 },
        { at: "begin", count: 0, noted: 0 },
      ],
    },
    steps,
    broken: (state) => {
      if (state.broken !== undefined) return state.broken;
      const [producer, consumer] = state.sides;
      if (consumer!.count > messages) return "more messages are read than were written";
      if (steps(state).length > 0 || consumer!.count === messages) return undefined;
      return `both wait (${producer!.at}, ${consumer!.at}) after ${consumer!.count} of ${messages} messages`;
    },
    key: ({ memory, bells, sides }) =>
      `${memory.key}|${bells.map(Number).join("")}|${sides.map(({ at, count, noted }) => `${at}${count}.${noted}`).join()}`,
  };
}
