import { type Static, Type } from "@sinclair/typebox";
import { COMMAND_WORDS_MAX } from "../auto/command-words.ts";
import { Failed } from "../failure.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

/** More than any board has faces. */
export const DEVICES_MAX = 16;

/** Where the agent shall wait for hosts that dial in. */
const Wish = Type.Object(
  {
    address: Type.String({ minLength: 1, description: "an address such as tcp:127.0.0.1:3240" }),
    device: Type.Optional(
      Type.String({ minLength: 1, description: "a device as `usbferry attach` takes it" }),
    ),
  },
  { additionalProperties: false, description: "a wish: address, and a device if not every one is welcome" },
);
export type Wish = Static<typeof Wish>;

const LAST_NUMBER = 999_999_999;
const PortNumber = Type.Integer({ minimum: 0, maximum: 65_535, description: "a port of the virtual hub" });
const Command = Type.Array(Type.String(), {
  minItems: 1,
  maxItems: COMMAND_WORDS_MAX,
  description: "a program and its arguments",
});

/** What the agent shall keep attached. */
const AutoWish = Type.Object(
  {
    id: Type.String({ pattern: "^w[1-9][0-9]{0,8}$", description: "an id such as w1" }),
    address: Type.String({ minLength: 1, description: "an address such as tcp:192.0.2.7:3240" }),
    devices: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      maxItems: DEVICES_MAX,
      description: "what one device may be named by: BUSID, VID:PID or VID:PID:SERIAL",
    }),
    ports: Type.Object(
      { hs: Type.Optional(PortNumber), ss: Type.Optional(PortNumber) },
      { additionalProperties: false, description: "its ports, by the hub: hs and ss" },
    ),
    busid: Type.Optional(Type.String({ description: "the bus id of the device that was attached last" })),
    onAttach: Type.Optional(Command),
    onDetach: Type.Optional(Command),
  },
  {
    additionalProperties: false,
    description:
      "a wish with its id, address, devices, ports and busid, and the commands onAttach and onDetach",
  },
);
export type AutoWish = Static<typeof AutoWish>;

const WishesSchema = Type.Object(
  {
    version: Type.Literal(1),
    wishes: Type.Array(Wish, { description: "a list of wishes" }),
    next: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LAST_NUMBER, description: "the number of the next id" }),
    ),
    auto: Type.Optional(Type.Array(AutoWish, { description: "a list of wishes with an id each" })),
  },
  { additionalProperties: false, description: "a document with version, wishes, next and auto" },
);
export type WishesState = Static<typeof WishesSchema>;

const WISHES_MAX = 1_000;

export const WISHES: StateKind<WishesState> = {
  file: "wishes.json",
  version: 1,
  schema: WishesSchema,
  empty: { version: 1, wishes: [] },
  check(document) {
    const seen = new Set<string>();
    for (const [i, { address }] of document.value.wishes.entries()) {
      if (seen.has(address)) {
        throw document.refusal(["wishes", i, "address"], `the address ${address} is there twice`);
      }
      seen.add(address);
    }
    const { auto = [], next = 1 } = document.value;
    for (const [i, { id }] of auto.entries()) {
      if (seen.has(id)) throw document.refusal(["auto", i, "id"], `the id ${id} is there twice`);
      seen.add(id);
      if (Number(id.slice(1)) >= next) {
        throw document.refusal(["next"], `it has to be above the number of ${id}`);
      }
    }
  },
};

/** What the agent waits for and keeps attached, also after a restart. Changes resolve when they are durable. */
export class WishList {
  readonly #store: ChangeableState<WishesState>;

  constructor(store: ChangeableState<WishesState>) {
    this.#store = store;
  }

  list(): readonly Wish[] {
    return this.#store.value.wishes;
  }

  /** In the place of another wish for this address: one can wait there. */
  async add(wish: Wish): Promise<void> {
    await this.#store.change((state) => {
      const wishes = [...othersThan(state, wish.address), wish];
      if (wishes.length > WISHES_MAX) throw tooMany();
      return { ...state, wishes };
    });
  }

  autos(): readonly AutoWish[] {
    return this.#store.value.auto ?? [];
  }

  /** Resolves with the wish under the id that it was given. */
  async addAuto(wish: Omit<AutoWish, "id">): Promise<AutoWish> {
    let added!: AutoWish;
    await this.#store.change((state) => {
      const { auto = [], next = 1 } = state;
      if (auto.length >= WISHES_MAX) throw tooMany();
      if (next >= LAST_NUMBER)
        throw new Failed("all numbers of wishes were given: number those in the file anew.");
      added = { id: `w${next}`, ...wish };
      return { ...state, next: next + 1, auto: [...auto, added] };
    });
    return added;
  }

  /** In the place of the wish with its id; one that was removed meanwhile stays so. */
  async replaceAuto(wish: AutoWish): Promise<void> {
    await this.#store.change((state) => ({
      ...state,
      ...(state.auto && { auto: state.auto.map((kept) => (kept.id === wish.id ? wish : kept)) }),
    }));
  }

  async removeAuto(id: string): Promise<void> {
    await this.#store.change((state) => ({
      ...state,
      ...(state.auto && { auto: state.auto.filter((wish) => wish.id !== id) }),
    }));
  }

  async remove(address: string): Promise<void> {
    await this.#store.change((state) => ({ ...state, wishes: othersThan(state, address) }));
  }

  async clear(): Promise<void> {
    await this.#store.change(({ version, next }) => ({
      version,
      ...(next !== undefined && { next }),
      wishes: [],
    }));
  }
}

function tooMany(): Failed {
  return new Failed(`there are ${WISHES_MAX} wishes already: end them with \`usbferry detach --all\` first.`);
}

function othersThan({ wishes }: WishesState, address: string): Wish[] {
  return wishes.filter((wish) => wish.address !== address);
}
