import type { ServerResponse } from "node:http";
import type { CaptureSubject } from "../capture/capture-subject.ts";
import { type CaptureChoice, LiveCapture } from "../capture/live-capture.ts";
import type { ApiLimits } from "./api-limits.ts";
import { Refusal } from "./refusal.ts";

/** How often what was recorded is fetched: nothing wakes the thread that writes it, and no device waits for it. */
const FETCH_MS = 20;

/** Recordings on their way to clients. What a client does not take in time is lost, and told as lost. */
export class CaptureStreams {
  readonly #limits: ApiLimits;
  #open = 0;

  constructor(limits: ApiLimits) {
    this.#limits = limits;
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    if (this.#open < this.#limits.captures) return;
    throw new Refusal(
      "TOO_MANY_CLIENTS",
      `${this.#open} recordings are being made. End one of them, then try again.`,
    );
  }

  /** Records until the client goes, or the device. */
  open(response: ServerResponse, subject: CaptureSubject, choice: CaptureChoice): void {
    if (response.destroyed || response.closed) return;
    const capture = new LiveCapture(subject, choice);
    this.#open++;
    response.writeHead(200, { "content-type": "application/x-pcapng", "cache-control": "no-store" });
    for (const piece of capture.head) response.write(piece);
    const timer = setInterval(() => {
      if (response.writableLength > this.#limits.captureBytes) return;
      for (const piece of capture.read()) response.write(piece);
      if (capture.isOver) end();
    }, FETCH_MS);
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      this.#open--;
      clearInterval(timer);
      for (const piece of capture.stop()) response.write(piece);
      response.end();
    };
    response.once("close", end);
  }
}
