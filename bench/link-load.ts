import type { Link } from "../src/links/link.ts";
import type { Case } from "./case.ts";
import type { Talk, TalkClass } from "./load/talk.ts";

/** What a link carried. Times in microseconds. */
export interface LinkFigures {
  readonly urbsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** A machine that is busy with something else is given more time. */
const LEAST_URBS = 32;

/** Asks the gadget zero at the other end of a link for transfers, some of them at a time, in this thread. */
export class LinkLoad {
  readonly #link: Link;
  readonly #case: Case;
  readonly #talk: Talk;
  readonly #started: number[] = [];
  readonly #latencies: number[] = [];
  #answered: () => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(link: Link, one: Case, Protocol: TalkClass) {
    this.#link = link;
    this.#case = one;
    this.#talk = new Protocol(one, {
      write: (chunks) => link.write(chunks, () => {}),
      answered: () => this.#answered(),
      failed: (error) => this.#fail(error),
    });
  }

  /** Rejects when a reply is wrong or the link ends. */
  async run(warmMs: number, measureMs: number): Promise<LinkFigures> {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    failed.catch(() => {});
    this.#link.start(
      (bytes) => {
        this.#talk.receive(bytes);
        this.#talk.flush();
      },
      (cause) => this.#fail(cause ?? new Error("the host closed the link")),
    );
    try {
      return await Promise.race([failed, this.#play(warmMs, measureMs)]);
    } finally {
      this.#link.destroy();
    }
  }

  async #play(warmMs: number, measureMs: number): Promise<LinkFigures> {
    await this.#talk.begin();
    return new Promise((resolve) => this.#load(warmMs, measureMs, resolve));
  }

  #load(warmMs: number, measureMs: number, done: (figures: LinkFigures) => void): void {
    const { size, depth } = this.#case;
    const from = performance.now() + warmMs;
    const until = from + measureMs;
    let first = 0;
    const submit = (): void => {
      this.#started.push(performance.now());
      this.#talk.submit();
    };
    this.#answered = () => {
      const nowMs = performance.now();
      const startedMs = this.#started.shift()!;
      if (nowMs >= from) {
        first ||= nowMs;
        this.#latencies.push((nowMs - startedMs) * 1_000);
      }
      if (nowMs < until || this.#latencies.length < LEAST_URBS) {
        submit();
        return;
      }
      const figures = this.#figures((nowMs - first) / 1_000, size);
      // What is still on its way is waited for: a host that is cut off in the middle has something to complain of.
      let left = depth - 1;
      this.#answered = () => {
        if (left-- === 0) done(figures);
      };
      this.#answered();
    };
    for (let i = 0; i < depth; i++) submit();
    this.#talk.flush();
  }

  #figures(seconds: number, size: number): LinkFigures {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const urbsPerSecond = (sorted.length - 1) / seconds;
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)]!;
    return {
      urbsPerSecond,
      megabytesPerSecond: (urbsPerSecond * size) / 1e6,
      p50Us: at(0.5),
      p99Us: at(0.99),
    };
  }
}
