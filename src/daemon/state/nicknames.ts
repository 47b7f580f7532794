import { type Static, Type } from "@sinclair/typebox";
import { readDeviceChoice } from "../device-choice.ts";
import { Failed, WrongUsage } from "../failure.ts";
import { isNickname, NICKNAME } from "./nickname.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

const NicknamesSchema = Type.Object(
  {
    version: Type.Literal(1),
    nicknames: Type.Record(
      Type.String({ pattern: NICKNAME }),
      Type.String({ minLength: 1, description: "a device: BUSID, VID:PID or VID:PID:SERIAL" }),
      { additionalProperties: false, description: "devices by nickname" },
    ),
  },
  { additionalProperties: false, description: "a document with version and nicknames" },
);

const NICKNAMES_MAX = 1_000;

export const NICKNAMES: StateKind<Static<typeof NicknamesSchema>> = {
  file: "nicknames.json",
  version: 1,
  schema: NicknamesSchema,
  empty: { version: 1, nicknames: {} },
  check() {},
};

/** Names that people give to devices. */
export class Nicknames {
  readonly #store: ChangeableState<Static<typeof NicknamesSchema>>;

  constructor(store: ChangeableState<Static<typeof NicknamesSchema>>) {
    this.#store = store;
  }

  /** Resolves when it is durable; rejects with WrongUsage if the name can be none, or the device. */
  async set(name: string, device: string): Promise<void> {
    if (!isNickname(name)) {
      throw new WrongUsage(
        `"${name}" is no nickname: it begins with a letter and has up to 31 letters, digits and underscores, so that ` +
          "nobody takes it for a bus id (1-2), a VID:PID or a path.",
      );
    }
    readDeviceChoice(device);
    await this.#store.change((state) => {
      if (!Object.hasOwn(state.nicknames, name) && Object.keys(state.nicknames).length >= NICKNAMES_MAX) {
        throw new Failed(`there are ${NICKNAMES_MAX} nicknames already: remove some first.`);
      }
      return { ...state, nicknames: { ...state.nicknames, [name]: device } };
    });
  }

  /** Resolves when it is durable; rejects with Failed if there is none. */
  async remove(name: string): Promise<void> {
    await this.#store.change((state) => {
      if (!Object.hasOwn(state.nicknames, name)) {
        throw new Failed(`there is no nickname "${name}": \`usbferry nickname list\` shows them.`);
      }
      const { [name]: _, ...nicknames } = state.nicknames;
      return { ...state, nicknames };
    });
  }
}
