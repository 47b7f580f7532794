import { ProtocolError } from "../wire/protocol-error.ts";
import { type IncomingMessage, WholeMessage } from "./message-reader.ts";
import type { Submission, SubmissionOwner } from "./submission.ts";

/** What is asked beside URBs. */
export interface Question {
  /** Of the answer, which has the same. */
  readonly type: number;
  readonly least: number;
  readonly most: number;
  /** The answer has come. */
  answer(payload: Uint8Array): ProtocolError | undefined;
  /** None will come. */
  lost(): void;
}

/** All that a host owes an answer to, by sequence number. */
export class OwedAnswers {
  readonly #most: number;
  readonly #questions = new Map<number, Question>();
  readonly #submissions = new Map<number, Submission>();
  /** Submissions that were given back, and whose responses are owed. */
  #givenBack = 0;
  #lastSequence = 0;

  /** A host that owes more than `most` answers, and does answer, is given up. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Counts through all 32 bits, without 0; a number whose answer is still owed is passed over. */
  nextSequence(): number {
    do this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    while (
      this.#lastSequence === 0 ||
      this.#submissions.has(this.#lastSequence) ||
      this.#questions.has(this.#lastSequence)
    );
    return this.#lastSequence;
  }

  /** The number under which it is to be asked. */
  ask(question: Question): number {
    const sequence = this.nextSequence();
    this.#questions.set(sequence, question);
    return sequence;
  }

  /** Reads what answers a question. */
  read(type: number, sequence: number): IncomingMessage | ProtocolError {
    const question = this.#questions.get(sequence);
    if (question === undefined || question.type !== type) {
      return new ProtocolError(
        "UNKNOWN_SEQNUM",
        `a message of type ${type} answers ${sequence}, which asked nothing`,
      );
    }
    return new WholeMessage(`an answer of type ${type}`, question.least, question.most, (payload) => {
      this.#questions.delete(sequence);
      return question.answer(payload);
    });
  }

  submission(sequence: number): Submission | undefined {
    return this.#submissions.get(sequence);
  }

  /** It has its number from now on; until `forget`. */
  remember(submission: Submission): void {
    this.#submissions.set(submission.sequence, submission);
  }

  /** It is given back now; an answer may come until the host has the device. */
  owe({ urb }: Submission): void {
    if (urb !== undefined) this.#givenBack++;
  }

  forget({ urb, sequence }: Submission): void {
    if (urb === undefined) this.#givenBack--;
    this.#submissions.delete(sequence);
  }

  submissionsOf(owner: SubmissionOwner): readonly Submission[] {
    return Array.from(this.#submissions.values()).filter((submission) => submission.owner === owner);
  }

  /** What a host that answers is remembered for. */
  tooMany(): ProtocolError | undefined {
    const owed = this.#questions.size + this.#givenBack;
    if (owed <= this.#most) return undefined;
    return new ProtocolError("PEER_SILENT", `${owed} requests and cancels have no answer`);
  }

  /** Nothing is answered any more. */
  lose(): void {
    this.#submissions.clear();
    const questions = Array.from(this.#questions.values());
    this.#questions.clear();
    for (const question of questions) question.lost();
  }
}
