import { type Static, Type } from "@sinclair/typebox";
import type { ClaimKeeper, DriverClaim } from "../../hardware/driver-claim.ts";
import type { Log } from "../log.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

const Word = Type.Integer({ minimum: 0, maximum: 0xffff });
const Byte = Type.Integer({ minimum: 0, maximum: 0xff });

const ClaimedInterface = Type.Object(
  { interfaceNumber: Byte, driver: Type.String({ minLength: 1 }) },
  { additionalProperties: false, description: "an interface and its driver" },
);

const Claim = Type.Object(
  {
    busid: Type.String({ minLength: 1, description: "bus and ports: 1-2.3" }),
    idVendor: Word,
    idProduct: Word,
    serial: Type.Optional(Type.String()),
    configuration: Byte,
    drivers: Type.Array(ClaimedInterface, { description: "a list of interfaces" }),
  },
  { additionalProperties: false, description: "a device that was taken from its drivers" },
);

const ClaimsSchema = Type.Object(
  { version: Type.Literal(1), claims: Type.Array(Claim, { description: "a list of devices" }) },
  { additionalProperties: false, description: "a document with version and claims" },
);
export type ClaimsState = Static<typeof ClaimsSchema>;

export const DRIVER_CLAIMS: StateKind<ClaimsState> = {
  file: "claims.json",
  version: 1,
  schema: ClaimsSchema,
  empty: { version: 1, claims: [] },
  check() {},
};

/**
 * Real devices that were taken from their drivers, until they have them again: what is left of it when a host starts, a
 * host that was killed has left (`repairDrivers`).
 */
export class DriverClaims implements ClaimKeeper {
  readonly #store: ChangeableState<ClaimsState>;
  readonly #log: Pick<Log, "warn">;

  constructor(store: ChangeableState<ClaimsState>, log: Pick<Log, "warn">) {
    this.#store = store;
    this.#log = log;
  }

  list(): readonly DriverClaim[] {
    return this.#store.value.claims;
  }

  /** The device is taken in any case: a disk that is full must not keep it from its user. */
  taking(claim: DriverClaim, kept: () => void): void {
    void this.#change((state) => ({
      ...state,
      claims: [...othersThan(state, claim), { ...claim, drivers: [...claim.drivers] }],
    })).then(kept);
  }

  returned(claim: DriverClaim): void {
    void this.#change((state) => ({ ...state, claims: othersThan(state, claim) }));
  }

  /** Forgets what was left of the past. */
  async forget(claims: readonly DriverClaim[]): Promise<void> {
    for (const claim of claims) this.returned(claim);
    await this.#change((state) => state);
  }

  async #change(edit: (state: ClaimsState) => ClaimsState): Promise<void> {
    try {
      await this.#store.change(edit);
    } catch (error) {
      const { message } = error as Error;
      this.#log.warn({ code: "STATE_NOT_KEPT" }, `STATE_NOT_KEPT ${message}`);
    }
  }
}

/** One device at a time is in one place. */
function othersThan({ claims }: ClaimsState, { busid }: DriverClaim): ClaimsState["claims"] {
  return claims.filter((claim) => claim.busid !== busid);
}
