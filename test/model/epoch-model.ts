import type { Model, Step } from "./explore.ts";

/**
 * The words of the control block, and of each ring its two indices and one line. A line has the name of the session in
 * which it was written.
 */
export interface Words {
  readonly hostEpoch: number;
  readonly hostSees: number;
  readonly guestEpoch: number;
  readonly guestSees: number;
  readonly g2hProduced: number;
  readonly g2hConsumed: number;
  readonly g2hLine: string;
  readonly h2gProduced: number;
  readonly h2gConsumed: number;
  readonly h2gLine: string;
  /** No word, but what has happened: greetings that a host has taken. */
  readonly taken: readonly string[];
}

/** What a side remembers as long as it lives. */
export interface Life {
  readonly at: string;
  readonly epoch: number;
  /** The epoch of the other side that it deals with. */
  readonly other: number;
  /** Of a host: the epoch of a guest that it may answer. */
  readonly next: number;
  /** Of a host: a device of its last session that may still write to the slots of that session. */
  readonly busy: string;
  /** Of a host: messages of this session that it has taken. */
  readonly taken: number;
  /** Deaths that are still to come. */
  readonly deaths: number;
}

export interface EpochState {
  readonly words: Words;
  readonly host: Life;
  readonly guest: Life;
  readonly broken?: string;
}

/** What of the hand-shake is in force. Each of them is needed: the check fails without it. */
export interface EpochRules {
  /** A guest counts on from the epoch of the one before it, which stays when that is gone. */
  readonly guestEpochIsKept: boolean;
  /** So does a host. */
  readonly hostEpochIsKept: boolean;
  /** A guest takes back that it sees a host before it touches indices. */
  readonly sightIsTakenBack: boolean;
  /** A host answers to the epoch that it has read before it looked whether that guest sees it, and not to a later one. */
  readonly epochIsReadFirst: boolean;
  /** A host answers the next guest when the devices of the last one are closed. */
  readonly devicesAreClosed: boolean;
}

export const EPOCH_RULES: EpochRules = {
  guestEpochIsKept: true,
  hostEpochIsKept: true,
  sightIsTakenBack: true,
  epochIsReadFirst: true,
  devicesAreClosed: true,
};

type Change = Partial<Words>;
interface Move {
  readonly life: Partial<Life>;
  readonly words?: Change;
  readonly broken?: string | undefined;
}

/** One side as a table of steps, each of which touches one word; nothing while it waits. */
type LifeProgram = Readonly<Record<string, (life: Life, words: Words) => Move | undefined>>;

const session = (guest: number, host: number): string => `${guest}/${host}`;

function isSameGuest({ epoch, other }: Life, { guestEpoch, guestSees }: Words): boolean {
  return guestEpoch === other && guestSees === epoch;
}

function end(life: Life): Move {
  return { life: { at: "forget guest", busy: session(life.other, life.epoch) } };
}

/** The host: `RingHost.start`, `#lookForGuest`, `#begin`, `#serve` and `#end`. */
function hostProgram(rules: EpochRules): LifeProgram {
  return {
    start: (_life, { hostEpoch, guestSees }) => {
      const next = rules.hostEpochIsKept ? hostEpoch + 1 : 1;
      const epoch = rules.hostEpochIsKept && next === guestSees ? next + 1 : next;
      return { life: { at: "see nobody", epoch } };
    },
    "see nobody": () => ({ life: { at: "tell epoch" }, words: { hostSees: 0 } }),
    "tell epoch": ({ epoch }) => ({ life: { at: "wait for guest" }, words: { hostEpoch: epoch } }),
    "wait for guest": ({ epoch, other }, { guestEpoch, guestSees }) =>
      guestEpoch !== other && guestSees === epoch ? { life: { at: "look at its epoch" } } : undefined,
    "look at its epoch": ({ other }, { guestEpoch }) => ({
      life: { at: guestEpoch === other ? "wait for guest" : "does it see us", next: guestEpoch },
    }),
    "does it see us": ({ epoch }, { guestSees }) => ({
      life: { at: guestSees === epoch ? "take its epoch" : "wait for guest" },
    }),
    "take its epoch": ({ next }, { guestEpoch }) => ({
      life: { at: "clear producer", other: rules.epochIsReadFirst ? next : guestEpoch, taken: 0 },
    }),
    "clear producer": () => ({ life: { at: "clear consumer" }, words: { h2gProduced: 0 } }),
    "clear consumer": () => ({ life: { at: "answer" }, words: { g2hConsumed: 0 } }),
    answer: ({ other, busy }) => ({
      life: { at: "serve" },
      words: { hostSees: other },
      broken: busy === "" ? undefined : `a device of ${busy} writes to slots that a new guest may have`,
    }),
    serve: (life, words) =>
      isSameGuest(life, words) && words.g2hProduced === life.taken
        ? undefined
        : { life: { at: "look at guest" } },
    "look at guest": (life, words) =>
      isSameGuest(life, words) ? { life: { at: "look for message" } } : end(life),
    "look for message": (life, { g2hProduced, g2hLine }) => {
      if (g2hProduced === life.taken) return { life: { at: "serve" } };
      const isOurs = life.taken === 0 && g2hLine === session(life.other, life.epoch);
      return { life: { at: isOurs ? "take" : "find fault" } };
    },
    "find fault": (life, words) => ({
      ...end(life),
      broken: isSameGuest(life, words)
        ? `the host ${session(life.other, life.epoch)} finds fault with ${words.g2hLine}`
        : undefined,
    }),
    take: (_life, { taken, g2hLine }) => ({
      life: { at: "respond", taken: 1 },
      words: { g2hConsumed: 1, taken: [...taken, g2hLine] },
      broken: taken.includes(g2hLine) ? `${g2hLine} is taken twice` : undefined,
    }),
    respond: ({ epoch, other }) => ({
      life: { at: "publish" },
      words: { h2gLine: session(other, epoch) },
    }),
    publish: () => ({ life: { at: "serve" }, words: { h2gProduced: 1 } }),
    "forget guest": () => ({
      life: { at: rules.devicesAreClosed ? "close devices" : "wait for guest" },
      words: { hostSees: 0 },
    }),
    "close devices": () => ({ life: { at: "wait for guest", busy: "" } }),
  };
}

/** The guest: `RingGuest.start`, `#greet`, `#lookForAnswer`, `#serve` and `#leave`. */
function guestProgram(rules: EpochRules): LifeProgram {
  return {
    start: (_life, { guestEpoch }) => ({
      life: { at: "see nobody", epoch: rules.guestEpochIsKept ? guestEpoch : 0 },
    }),
    "see nobody": () => ({
      life: { at: "wait for host" },
      ...(rules.sightIsTakenBack && { words: { guestSees: 0 } }),
    }),
    "wait for host": ({ epoch }, { hostEpoch }) =>
      hostEpoch === 0 ? undefined : { life: { at: "clear producer", other: hostEpoch, epoch: epoch + 1 } },
    "clear producer": () => ({ life: { at: "clear consumer" }, words: { g2hProduced: 0 } }),
    "clear consumer": () => ({ life: { at: "tell epoch" }, words: { h2gConsumed: 0 } }),
    "tell epoch": ({ epoch }) => ({ life: { at: "greet" }, words: { guestEpoch: epoch } }),
    greet: ({ other }) => ({ life: { at: "wait for answer" }, words: { guestSees: other } }),
    "wait for answer": ({ epoch, other }, { hostEpoch, hostSees }) => {
      if (hostEpoch !== other) return { life: { at: "see nobody" } };
      return hostSees === epoch ? { life: { at: "write" } } : undefined;
    },
    write: ({ epoch, other }) => ({ life: { at: "publish" }, words: { g2hLine: session(epoch, other) } }),
    publish: () => ({ life: { at: "wait for response" }, words: { g2hProduced: 1 } }),
    "wait for response": ({ epoch, other }, { hostEpoch, hostSees, h2gProduced, h2gLine }) => {
      if (hostEpoch !== other || hostSees !== epoch) return { life: { at: "see nobody" } };
      if (h2gProduced === 0) return undefined;
      const isOurs = h2gLine === session(epoch, other);
      return {
        life: { at: "in session" },
        broken: isOurs ? undefined : `${session(epoch, other)} takes an answer to ${h2gLine} for its own`,
      };
    },
    "in session": ({ epoch, other }, { hostEpoch, hostSees }) =>
      hostEpoch === other && hostSees === epoch ? undefined : { life: { at: "see nobody" } },
  };
}

function born(deaths: number): Life {
  return { at: "start", epoch: 0, other: 0, next: 0, busy: "", taken: 0, deaths };
}

/** Both sides, each of which may die before any of its steps, so many times; what it has written stays. */
export function epochModel(rules: EpochRules, hostDeaths: number, guestDeaths: number): Model<EpochState> {
  const programs = { host: hostProgram(rules), guest: guestProgram(rules) };
  const sides = ["host", "guest"] as const;

  const move = (state: EpochState, side: (typeof sides)[number]): Step<EpochState>[] => {
    const life = state[side];
    const moved = programs[side][life.at]!(life, state.words);
    if (moved === undefined) return [];
    const next: EpochState = {
      ...state,
      words: { ...state.words, ...moved.words },
      [side]: { ...life, ...moved.life },
      ...(moved.broken !== undefined && { broken: moved.broken }),
    };
    return [{ name: `${side}: ${life.at}`, next }];
  };

  /**
   * The kernel ends the transfers of a process that dies: no device of it is busy any more. Who leaves in good order is one
   * that dies after it has told that it sees nobody.
   */
  const die = (state: EpochState, side: (typeof sides)[number]): Step<EpochState>[] => {
    const { deaths, at } = state[side];
    if (deaths === 0 || at === "start") return [];
    return [{ name: `${side} dies before: ${at}`, next: { ...state, [side]: born(deaths - 1) } }];
  };

  return {
    initial: {
      words: {
        hostEpoch: 0,
        hostSees: 0,
        guestEpoch: 0,
        guestSees: 0,
        g2hProduced: 0,
        g2hConsumed: 0,
        g2hLine: "",
        h2gProduced: 0,
        h2gConsumed: 0,
        h2gLine: "",
        taken: [],
      },
      host: born(hostDeaths),
      guest: born(guestDeaths),
    },
    steps: (state) => sides.flatMap((side) => move(state, side).concat(die(state, side))),
    broken: (state) => {
      if (state.broken !== undefined) return state.broken;
      if (sides.some((side) => move(state, side).length > 0)) return undefined;
      const { host, guest } = state;
      const isTogether =
        host.at === "serve" &&
        host.taken === 1 &&
        guest.at === "in session" &&
        host.other === guest.epoch &&
        guest.other === host.epoch;
      return isTogether
        ? undefined
        : `both wait: the host ${session(host.other, host.epoch)} (${host.at}), the guest ${session(guest.epoch, guest.other)} (${guest.at})`;
    },
    key: (state) => JSON.stringify(state),
  };
}
