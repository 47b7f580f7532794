import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { SILENCE_PART_MS, Silence } from "./silence.ts";

/** A question is in front of the last two. */
const DEAD_PARTS = 3;

/** What questions ask of the client that sends them. */
export interface AliveOutput {
  ask(): void;
  /** The host is dead. */
  silent(error: ProtocolError): void;
}

/**
 * Asks a host whether it is there, over a link that would not notice. Only one that has answered with the mark can be found
 * dead; others are asked once, because the kernel's server keeps its answer until it has something else to say.
 */
export class AliveQuestions {
  readonly #output: AliveOutput;
  readonly #silence: Silence;
  #isAsked = false;
  #answers = false;
  #isSaid = false;

  constructor(loop: Loop, output: AliveOutput) {
    this.#output = output;
    this.#silence = new Silence(loop, (silentParts) => this.#passed(silentParts));
    this.#silence.start();
  }

  heard(): void {
    this.#silence.heard();
  }

  /** Something was sent: the host listens as well. */
  said(): void {
    this.#isSaid = true;
  }

  answered(isMarked: boolean): void {
    this.#isAsked = false;
    if (isMarked) this.#answers = true;
    else this.#silence.stop();
  }

  stop(): void {
    this.#silence.stop();
  }

  #passed(silentParts: number): void {
    const isSaid = this.#isSaid;
    this.#isSaid = false;
    if (this.#isAsked) {
      if (!this.#answers || silentParts < DEAD_PARTS) return;
      const seconds = (DEAD_PARTS * SILENCE_PART_MS) / 1_000;
      this.#output.silent(new ProtocolError("PEER_SILENT", `nothing came for ${seconds} s`));
    } else if (!isSaid || silentParts > 0) {
      this.#isAsked = true;
      this.#output.ask();
    }
  }
}
