import type { ServerResponse } from "node:http";
import type { CaptureSubject } from "../capture/capture-subject.ts";
import { type CaptureChoice, LiveCapture } from "../capture/live-capture.ts";
import type { ApiLimits } from "./api-limits.ts";
import { Refusal } from "./refusal.ts";

/** The header of an answer by which its recording can be ended. */
export const CAPTURE_HEADER = "usbferry-capture";

/** How often what was recorded is fetched: nothing wakes the thread that writes it, and no device waits for it. */
const FETCH_MS = 20;

/** Recordings on their way to clients. What a client does not take in time is lost, and told as lost. */
export class CaptureStreams {
  readonly #limits: ApiLimits;
  /** What ends each recording. */
  readonly #open = new Map<string, () => void>();
  #begun = 0;

  constructor(limits: ApiLimits) {
    this.#limits = limits;
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    if (this.#open.size < this.#limits.captures) return;
    throw new Refusal(
      "TOO_MANY_CLIENTS",
      `${this.#open.size} recordings are being made. End one of them, then try again.`,
    );
  }

  /** Records until the client goes, or the device. */
  open(response: ServerResponse, subject: CaptureSubject, choice: CaptureChoice): void {
    if (response.destroyed || response.closed) return;
    const capture = new LiveCapture(subject, choice);
    const id = `c${++this.#begun}`;
    response.writeHead(200, {
      "content-type": "application/x-pcapng",
      "cache-control": "no-store",
      [CAPTURE_HEADER]: id,
    });
    for (const piece of capture.head) response.write(piece);
    const timer = setInterval(() => {
      if (response.writableLength > this.#limits.captureBytes) return;
      for (const piece of capture.read()) response.write(piece);
      if (capture.isOver) end();
    }, FETCH_MS);
    const end = (): void => {
      if (!this.#open.delete(id)) return;
      clearInterval(timer);
      const rest = capture.stop();
      if (response.destroyed) return;
      for (const piece of rest) response.write(piece);
      response.end();
    };
    this.#open.set(id, end);
    response.once("close", end);
  }

  /** Ends a recording: its client gets the rest of what was recorded until now. False if there is none. */
  end(id: string): boolean {
    const end = this.#open.get(id);
    end?.();
    return end !== undefined;
  }
}
