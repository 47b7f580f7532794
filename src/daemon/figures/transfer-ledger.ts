import type { ErrorFigures, TransferFigures } from "../../usb/transfer-figures.ts";

/** Devices that are remembered; the one whose session ended longest ago is forgotten first. */
const DEVICES = 1_024;

/** What sessions of one device have carried together. Its errors by status, and what took how long by doublings. */
export interface LedgerEntry {
  readonly urbs: number;
  readonly errors: ErrorFigures;
  readonly endpoints: ReadonlyMap<number, LedgerEndpoint>;
}

export interface LedgerEndpoint {
  readonly urbs: number;
  readonly bytes: number;
  readonly errors: ErrorFigures;
  readonly tookUs: number;
  /** As `EndpointFigures.histogram`. */
  readonly histogram: readonly number[];
}

/** Sums of sessions that are over, by device: a counter must not fall when a guest lets go of a device. */
export class TransferLedger {
  readonly #past = new Map<string, LedgerEntry>();

  /** A session is over. `device` is a name that its next session will have, too. */
  add(device: string, figures: TransferFigures): void {
    const sum = this.with(device, figures);
    this.#past.delete(device);
    this.#past.set(device, sum);
    for (const oldest of this.#past.keys()) {
      if (this.#past.size <= DEVICES) break;
      this.#past.delete(oldest);
    }
  }

  get devices(): ReadonlyMap<string, LedgerEntry> {
    return this.#past;
  }

  /** The sum of what is over and a session that goes on. */
  with(device: string, { urbs, errors, endpoints }: TransferFigures): LedgerEntry {
    const past = this.#past.get(device);
    const sums = new Map(past?.endpoints);
    for (const { address, ...endpoint } of endpoints) {
      const { bytes, tookUs, histogram } = endpoint;
      const before = sums.get(address);
      sums.set(address, {
        urbs: endpoint.urbs + (before?.urbs ?? 0),
        bytes: bytes + (before?.bytes ?? 0),
        errors: summed(endpoint.errors, before?.errors),
        tookUs: tookUs + (before?.tookUs ?? 0),
        histogram: added(histogram, before?.histogram ?? []),
      });
    }
    return { urbs: urbs + (past?.urbs ?? 0), errors: summed(errors, past?.errors), endpoints: sums };
  }
}

function summed(errors: ErrorFigures, others: ErrorFigures = {}): ErrorFigures {
  const all: Record<string, number> = { ...others };
  for (const [status, urbs] of Object.entries(errors)) all[status] = (all[status] ?? 0) + urbs;
  return all;
}

function added(counts: readonly number[], others: readonly number[]): readonly number[] {
  const [longer, shorter] = counts.length < others.length ? [others, counts] : [counts, others];
  return longer.map((count, n) => count + (shorter[n] ?? 0));
}
