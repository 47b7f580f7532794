import { type Static, Type } from "@sinclair/typebox";
import { Failed } from "../failure.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

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

const WishesSchema = Type.Object(
  {
    version: Type.Literal(1),
    wishes: Type.Array(Wish, { description: "a list of wishes" }),
  },
  { additionalProperties: false, description: "a document with version and wishes" },
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
  },
};

/** Where the agent waits for hosts, and waits again after a restart. Changes resolve when they are durable. */
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
      if (wishes.length > WISHES_MAX) {
        throw new Failed(
          `there are ${WISHES_MAX} wishes already: end them with \`usbferry detach --all\` first.`,
        );
      }
      return { ...state, wishes };
    });
  }

  async remove(address: string): Promise<void> {
    await this.#store.change((state) => ({ ...state, wishes: othersThan(state, address) }));
  }

  async clear(): Promise<void> {
    await this.#store.change((state) => ({ ...state, wishes: [] }));
  }
}

function othersThan({ wishes }: WishesState, address: string): Wish[] {
  return wishes.filter((wish) => wish.address !== address);
}
