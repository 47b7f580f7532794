import { type Static, Type } from "@sinclair/typebox";
import { Failed } from "../failure.ts";
import { type HardwareIdentity, isSameIdentity, printIdentity } from "../hardware/hardware-identity.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

const Hex4 = Type.String({ pattern: "^[0-9a-f]{4}$", description: "four hexadecimal digits" });

/** A real device that is shared from now on. */
const Bind = Type.Object(
  {
    vid: Hex4,
    pid: Hex4,
    serial: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: "a serial number" })),
    busid: Type.Optional(Type.String({ minLength: 1, maxLength: 31, description: "a bus id such as 1-2" })),
    name: Type.Optional(Type.String({ maxLength: 512, description: "what the device calls itself" })),
  },
  { additionalProperties: false, description: "a device: vid, pid, and serial or busid" },
);
export type Bind = Static<typeof Bind>;

const BindsSchema = Type.Object(
  {
    version: Type.Literal(1),
    binds: Type.Array(Bind, { description: "a list of devices" }),
  },
  { additionalProperties: false, description: "a document with version and binds" },
);
export type BindsState = Static<typeof BindsSchema>;

const BINDS_MAX = 1_000;

export const BINDS: StateKind<BindsState> = {
  file: "binds.json",
  version: 1,
  schema: BindsSchema,
  empty: { version: 1, binds: [] },
  check(document) {
    const { binds } = document.value;
    for (const [i, bind] of binds.entries()) {
      if ((bind.serial === undefined) === (bind.busid === undefined)) {
        throw document.refusal(["binds", i], "a device is known by its serial or by its busid");
      }
      if (binds.some((other, at) => at < i && isSameIdentity(bind, other))) {
        throw document.refusal(["binds", i], `${printIdentity(bind)} is there twice`);
      }
    }
  },
};

/** The devices that people have bound. Changes resolve when they are durable. */
export class BindList {
  readonly #store: ChangeableState<BindsState>;

  constructor(store: ChangeableState<BindsState>) {
    this.#store = store;
  }

  list(): readonly Bind[] {
    return this.#store.value.binds;
  }

  /** In the place of what was known of the same device before. */
  async add(bind: Bind): Promise<void> {
    await this.#store.change((state) => {
      const binds = [...state.binds.filter((other) => !isSameIdentity(other, bind)), bind];
      if (binds.length > BINDS_MAX) {
        throw new Failed(`${BINDS_MAX} devices are bound already: unbind some first.`);
      }
      return { ...state, binds };
    });
  }

  async remove(gone: readonly HardwareIdentity[]): Promise<void> {
    await this.#store.change((state) => ({
      ...state,
      binds: state.binds.filter((bind) => !gone.some((identity) => isSameIdentity(identity, bind))),
    }));
  }
}
