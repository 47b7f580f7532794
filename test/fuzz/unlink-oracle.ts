import { TransferStatus } from "../../src/usb/urb.ts";
import type { Request } from "./expected-reply.ts";

/** What a CMD_UNLINK found when it came. */
export type Found =
  /** In flight, and nobody else wanted its end yet. */
  | { readonly kind: "in flight"; readonly request: Request }
  /** Refused by the server: its answer is on the way. */
  | { readonly kind: "refused"; readonly request: Request }
  /** In flight, and another unlink wants its end already. */
  | { readonly kind: "again" }
  /** Nothing that could still be ended. */
  | { readonly kind: "nothing" };

type Wait =
  | Found
  /** It came before its CMD_SUBMIT. */
  | { readonly kind: "early"; readonly sinceMs: number }
  /** Its CMD_SUBMIT begins to arrive. */
  | { readonly kind: "arriving" }
  /** Its CMD_SUBMIT is there and may not be carried out. */
  | { readonly kind: "prevented" };

interface Unlink {
  readonly seqnum: number;
  readonly unlinked: number;
  wait: Wait;
}

/** A server waits this long for the CMD_SUBMIT that an unlink has overtaken. */
const PATIENCE_MS = 250;

/** The CMD_UNLINKs that are not answered yet. */
export class UnlinkOracle {
  readonly #now: () => number;
  #owed: Unlink[] = [];
  #lastSubmit: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Seqnums that are owed an answer now. */
  get owed(): readonly number[] {
    return this.#owed.filter(({ wait }) => wait.kind !== "arriving").map(({ seqnum }) => seqnum);
  }

  expect(seqnum: number, unlinked: number, found: Found): void {
    const isAhead = this.#lastSubmit === undefined || ((unlinked - this.#lastSubmit) | 0) > 0;
    const isForgotten = found.kind === "nothing" || found.kind === "refused";
    const isEarly = isForgotten && isAhead && this.#early(unlinked) === undefined;
    this.#owed.push({ seqnum, unlinked, wait: isEarly ? { kind: "early", sinceMs: this.#now() } : found });
  }

  /** The header of a CMD_SUBMIT is there. True if an unlink overtook it; call `prevented` when it is whole. */
  begins(seqnum: number): boolean {
    this.#lastSubmit = seqnum;
    const early = this.#early(seqnum);
    if (early === undefined) return false;
    early.wait = { kind: "arriving" };
    return true;
  }

  prevented(): void {
    for (const unlink of this.#owed) {
      if (unlink.wait.kind === "arriving") unlink.wait = { kind: "prevented" };
    }
  }

  /** Takes a RET_UNLINK; gives the request that ended by it. Throws if nobody waits for such an answer. */
  answered(seqnum: number, status: number, isOwed: (request: Request) => boolean): Request | undefined {
    const fits = this.#owed.findIndex(
      (unlink) => unlink.seqnum === seqnum && this.#statuses(unlink.wait, isOwed).includes(status),
    );
    if (fits < 0) throw new Error(`RET_UNLINK ${seqnum} with status ${status} answers nothing`);
    const { wait } = this.#owed.splice(fits, 1)[0]!;
    return wait.kind === "in flight" && status !== 0 ? wait.request : undefined;
  }

  #early(unlinked: number): Unlink | undefined {
    return this.#owed.find((unlink) => unlink.unlinked === unlinked && unlink.wait.kind === "early");
  }

  /** What may come: 0 behind the transfer's own answer, -104 in its place. */
  #statuses(wait: Wait, isOwed: (request: Request) => boolean): readonly number[] {
    switch (wait.kind) {
      case "nothing":
      case "again":
        return [0];
      case "refused":
        return isOwed(wait.request) ? [] : [0];
      case "early":
        return this.#now() - wait.sinceMs >= PATIENCE_MS ? [0] : [];
      case "arriving":
        return [];
      case "prevented":
        return [-104];
      case "in flight": {
        const { request } = wait;
        if (request.isReset) return [-104];
        if (!isOwed(request)) return [0];
        // Not before the device has let go of it: another unlink may have the same seqnum.
        const { delivered, status } = request.entry ?? {};
        return delivered !== undefined && status === TransferStatus.cancelled ? [-104] : [];
      }
    }
  }
}
