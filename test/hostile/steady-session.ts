import { HEADER, submit, word } from "../fuzz/usbip-message.ts";
import { Peer, to } from "./peer.ts";

const LENGTH = 16 * 1024;
/** Packets of high-speed bulk; the pattern begins anew in each. */
const PACKET = 512;
const PAUSE_MS = 2;
const BULK = 1;

/** A client that behaves: it sends and fetches pattern data all the time, and knows how long each answer took. */
export class SteadySession {
  readonly #peer: Peer;
  readonly #devid: number;
  readonly #pattern = Uint8Array.from({ length: LENGTH }, (_, i) => (i % PACKET) % 63);
  #seqnum = 1;
  #isStopping = false;
  #done: Promise<void> = Promise.resolve();
  transfers = 0;
  /** Slowest answer. */
  longestMs = 0;

  static async start(port: number, busid: string): Promise<SteadySession> {
    const peer = await Peer.connect(port);
    const session = new SteadySession(peer, await peer.import(busid));
    await session.#configure();
    session.#done = session.#run();
    // It is looked at in `stop`.
    session.#done.catch(() => {});
    return session;
  }

  private constructor(peer: Peer, devid: number) {
    this.#peer = peer;
    this.#devid = devid;
  }

  /** Ends it; rejects if anything was wrong with it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    this.#peer.socket.end();
    await this.#peer.closed();
  }

  async #configure(): Promise<void> {
    const seqnum = this.#seqnum++;
    this.#peer.send(to(this.#devid, submit({ seqnum, ep: 0, length: 0, setup: "0009030000000000" })));
    await this.#answer(seqnum, 0);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const startMs = performance.now();
      const first = this.#seqnum;
      this.#seqnum += 2;
      const out = to(this.#devid, submit({ seqnum: first + 1, ep: BULK, length: LENGTH }));
      out.set(this.#pattern, HEADER);
      this.#peer.send(to(this.#devid, submit({ seqnum: first, ep: BULK, in: true, length: LENGTH })), out);
      const data = await this.#answer(first, LENGTH);
      if (Buffer.compare(data, this.#pattern) !== 0) throw new Error(`wrong data in transfer ${first}`);
      await this.#answer(first + 1, 0, LENGTH);
      this.transfers += 2;
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Reads a RET_SUBMIT that succeeded, with `length` bytes of data. */
  async #answer(seqnum: number, length: number, actualLength = length): Promise<Buffer> {
    const header = await this.#peer.read(HEADER);
    const found = [word(header, 0), word(header, 4), word(header, 20), word(header, 24)];
    const expected = [3, seqnum, 0, actualLength];
    if (found.join() !== expected.join()) throw new Error(`answer ${found.join()}, not ${expected.join()}`);
    return this.#peer.read(length);
  }
}
