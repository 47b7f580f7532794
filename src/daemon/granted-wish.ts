import type { AgentDevice } from "./agent-state.ts";
import { Failed } from "./failure.ts";
import type { Wish } from "./state/wishes.ts";
import type { WaitingGuest } from "./waiting-guest.ts";

interface Client {
  readonly came: (device: AgentDevice) => void;
  readonly failed: (error: Failed) => void;
}

/** A wish that is being granted: the guest that waits, and the clients that want to know of its next device. */
export class GrantedWish {
  readonly wish: Wish;
  readonly guest: WaitingGuest;
  /** A client was told that it holds, so it outlives those who ask for it. */
  isPromised: boolean;
  readonly #clients = new Set<Client>();
  #isEnded = false;

  constructor(guest: WaitingGuest, device: string | undefined, isPromised: boolean) {
    // Whoever dials a port that the system chose dials it again.
    const address = guest.address.endsWith(":0") ? guest.listening : guest.address;
    this.wish = { address, ...(device !== undefined && { device }) };
    this.guest = guest;
    this.isPromised = isPromised;
  }

  /** Nobody was promised it, and nobody asks for it any more. */
  get isAbandoned(): boolean {
    return !this.isPromised && this.#clients.size === 0;
  }

  /** Resolves with the next device; rejects with Failed when the wish or the signal ends. */
  async next(signal: AbortSignal): Promise<AgentDevice> {
    if (this.#isEnded) throw this.#ended();
    let client!: Client;
    let abort!: () => void;
    try {
      return await new Promise<AgentDevice>((came, failed) => {
        client = { came, failed };
        abort = () => failed(new Failed("the waiting was cancelled."));
        this.#clients.add(client);
        signal.addEventListener("abort", abort);
        if (signal.aborted) abort();
      });
    } finally {
      this.#clients.delete(client);
      signal.removeEventListener("abort", abort);
    }
  }

  came(device: AgentDevice): void {
    if (this.#clients.size > 0) this.isPromised = true;
    for (const client of this.#clients) client.came(device);
  }

  /** Waits no more, and tells the clients. */
  end(): void {
    this.#isEnded = true;
    this.guest.close();
    for (const client of this.#clients) client.failed(this.#ended());
  }

  #ended(): Failed {
    return new Failed(
      `the waiting at ${this.wish.address} was ended. Ask for it again if it is still meant.`,
    );
  }
}
