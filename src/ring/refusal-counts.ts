import { Status } from "./status.ts";

/** Why a request is answered without having been with a device, in the order of their places. */
export const REFUSAL_KINDS = [
  "disconnected",
  "noEndpoint",
  "invalid",
  "noResource",
  "rateLimited",
  "breakerOpen",
] as const;
export type RefusalKind = (typeof REFUSAL_KINDS)[number];

/** Only those that occurred. */
export type RefusalFigures = Readonly<Partial<Record<RefusalKind, number>>>;

/** How many requests were refused for what. */
export class RefusalCounts {
  readonly #counts = new Float64Array(REFUSAL_KINDS.length);

  /** With a status of the ring. */
  add(status: number): void {
    this.#counts[placeOf(status)]! += 1;
  }

  read(): RefusalFigures {
    const figures: Partial<Record<RefusalKind, number>> = {};
    for (const [place, kind] of REFUSAL_KINDS.entries()) {
      const count = this.#counts[place]!;
      if (count > 0) figures[kind] = count;
    }
    return figures;
  }
}

/** Statuses that say that a device was not asked. A STALL may be one of the device itself. */
export function isRefusal(status: number): boolean {
  switch (status) {
    case Status.INVALID_PARAMETER:
    case Status.NO_RESOURCE:
    case Status.RATE_LIMITED:
    case Status.CIRCUIT_BREAK:
      return true;
    default:
      return false;
  }
}

function placeOf(status: number): number {
  switch (status) {
    case Status.DISCONNECTED:
      return 0;
    case Status.STALL:
      return 1;
    case Status.NO_RESOURCE:
      return 3;
    case Status.RATE_LIMITED:
      return 4;
    case Status.CIRCUIT_BREAK:
      return 5;
    default:
      return 2;
  }
}
