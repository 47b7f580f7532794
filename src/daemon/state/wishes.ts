import { type Static, Type } from "@sinclair/typebox";
import { Failed } from "../failure.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

const WishOptions = Type.Object(
  { direct: Type.Optional(Type.Boolean({ description: "true or false" })) },
  { additionalProperties: false, description: "the options of the attachment" },
);

/** What the agent shall keep attached. */
export const Wish = Type.Object(
  {
    id: Type.String({ pattern: "^w[1-9][0-9]{0,8}$", description: "an id such as w1" }),
    address: Type.String({ minLength: 1, description: "an address such as tcp:box:3240" }),
    device: Type.String({ minLength: 1, description: "a device as `usbferry attach` takes it" }),
    options: WishOptions,
  },
  { additionalProperties: false, description: "a wish: id, address, device and options" },
);
export type Wish = Static<typeof Wish>;
export type WishOptions = Static<typeof WishOptions>;

const WishesSchema = Type.Object(
  {
    version: Type.Literal(1),
    next: Type.Integer({ minimum: 1, description: "the number of the next id" }),
    wishes: Type.Array(Wish, { description: "a list of wishes" }),
  },
  { additionalProperties: false, description: "a document with version, next and wishes" },
);

const WISHES_MAX = 1_000;

export const WISHES: StateKind<Static<typeof WishesSchema>> = {
  file: "wishes.json",
  version: 1,
  schema: WishesSchema,
  empty: { version: 1, next: 1, wishes: [] },
  check(document) {
    const seen = new Set<string>();
    for (const [i, { id }] of document.value.wishes.entries()) {
      if (seen.has(id)) throw document.refusal(["wishes", i, "id"], `the id ${id} is there twice`);
      seen.add(id);
    }
  },
};

/** What the agent shall keep attached, and attach again after a restart. */
export class WishList {
  readonly #store: ChangeableState<Static<typeof WishesSchema>>;

  constructor(store: ChangeableState<Static<typeof WishesSchema>>) {
    this.#store = store;
  }

  list(): readonly Wish[] {
    return this.#store.value.wishes;
  }

  /** Resolves when it is durable. The same address and device is the same wish, with new options. */
  async add(address: string, device: string, options: WishOptions = {}): Promise<Wish> {
    let wish!: Wish;
    await this.#store.change((state) => {
      const old = state.wishes.find((other) => other.address === address && other.device === device);
      if (old !== undefined) {
        wish = { ...old, options };
        return { ...state, wishes: state.wishes.map((other) => (other === old ? wish : other)) };
      }
      if (state.wishes.length >= WISHES_MAX) {
        throw new Failed(`there are ${WISHES_MAX} wishes already: remove some first.`);
      }
      wish = { id: `w${state.next}`, address, device, options };
      return { ...state, next: state.next + 1, wishes: [...state.wishes, wish] };
    });
    return wish;
  }

  /** Resolves when it is durable; rejects with Failed if there is none. */
  async remove(id: string): Promise<Wish> {
    let removed: Wish | undefined;
    await this.#store.change((state) => {
      removed = state.wishes.find((wish) => wish.id === id);
      if (removed === undefined) throw new Failed(`there is no wish ${id}.`);
      return { ...state, wishes: state.wishes.filter((wish) => wish !== removed) };
    });
    return removed!;
  }
}
