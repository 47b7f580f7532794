import { WSLUSB_LIMITS } from "../../src/wslusb/limits.ts";
import { HostedWire } from "../support/hosted-wire.ts";
import { StubbornDevice } from "../support/stubborn-device.ts";
import { joined } from "./mutation.ts";
import { cut, requireSame, type Target } from "./target.ts";
import { CONVERSATIONS, mutateConversation } from "./wslusb-corpus.ts";
import { judgeClient, MOVED_MAX } from "./wslusb-oracle.ts";

/** No device is ever refused memory, of which next to nothing is touched. */
const LIMITS = { ...WSLUSB_LIMITS, bytes: 1 << 30, totalBytes: 1 << 30 };

/** What the host has answered, in the form of the oracle. */
function answersOf(wire: HostedWire): { error: number | undefined; answers: string[] } {
  const begun = new Map<number, Uint8Array[]>();
  const answers: string[] = [];
  let error: number | undefined;
  for (const { type, sequence, payload, reserved } of wire.seen()) {
    const word = (at: number): number => Buffer.from(payload).readUInt32LE(at);
    switch (type) {
      case 255:
        error = word(0);
        break;
      case 5: {
        const parts = begun.get(sequence) ?? [];
        parts.push(payload);
        begun.set(sequence, parts);
        if (reserved === 0) {
          answers.push(responseOf(sequence, joined(parts)));
          begun.delete(sequence);
        } else if (reserved === 2) begun.delete(sequence);
        break;
      }
      case 1:
        answers.push(`1 ${sequence} ${word(0)}`);
        break;
      case 2:
        answers.push(`2 ${sequence} ${word(0)}${word(0) === 0 ? ` ${word(260)}` : ""}`);
        break;
      case 7:
        answers.push(`7 ${sequence} ${payload[6]!}`);
        break;
      case 9:
        answers.push(`9 ${sequence} ${word(0)}`);
        break;
      case 3:
      case 8:
      case 11:
        answers.push(`${type} ${sequence} ${word(0)} ${word(4)}`);
        break;
      case 10:
        break;
      default:
        answers.push(`unexpected ${type}`);
    }
  }
  return { error, answers };
}

function responseOf(sequence: number, payload: Uint8Array): string {
  const words = Buffer.from(payload);
  const [status, moved, packets, errors] = [0, 4, 16, 12].map((at) => words.readUInt32LE(at));
  return `5 ${sequence} ${status} ${moved} ${packets} ${errors}`;
}

/** Whole conversations with the host engine, against a second reader of the document. */
export const wslusbHostTarget: Target = {
  name: "WslusbHost",
  corpus: CONVERSATIONS.map((messages) => joined(messages)),
  mutant: mutateConversation,
  judge(bytes, random) {
    const expected = judgeClient(bytes, ["1-1", "1-2"]);
    const devices = [new StubbornDevice(), new StubbornDevice()];
    const wire = new HostedWire(LIMITS, devices);
    for (const piece of cut(bytes, random)) wire.receive(piece);
    for (const device of devices) device.finishAll(MOVED_MAX);
    wire.loop.settle();
    const { error, answers } = answersOf(wire);
    // An Error of the client is not answered with one.
    requireSame(error, expected.error === 0 ? undefined : expected.error, "status of the Error frame");
    requireSame(wire.ended !== undefined, expected.error !== undefined, "end of the conversation");
    if (expected.error === undefined) {
      const { perhaps } = expected;
      const sure = (list: readonly string[]) => byText(list.filter((answer) => !perhaps.includes(answer)));
      requireSame(sure(answers), sure(expected.answers), "answers");
    }
    let closed = false;
    wire.host.disconnected(() => {
      closed = true;
    });
    requireSame(closed, true, "closed");
    for (const device of devices) requireSame(device.opened, device.closed, "opened devices that are closed");
    requireSame(wire.loop.timers, 0, "timers");
    return expected.error === undefined ? "value" : "error";
  },
};

function byText(answers: readonly string[]): string {
  return answers.toSorted((a, b) => (a < b ? -1 : 1)).join("\n");
}
