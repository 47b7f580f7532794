import type { Urb } from "../../src/usb/urb.ts";
import { encodeInfo } from "../../src/wslusb/offered-device.ts";
import { ClientWire } from "../support/client-wire.ts";
import { HeldDevice } from "../support/held-device.ts";
import { frame, response, words } from "../support/wslusb-wire.ts";
import { joined, mutateBytes, oddNumber, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { cut, requireSame, type Target } from "./target.ts";

const [DETACH, EVENT, RESPONSE, CANCEL, KEEP_ALIVE, CREDIT, ERROR] = [3, 6, 5, 8, 9, 10, 255] as const;
const MORE = 1;
const PACKETS = [
  [0, 100],
  [120, 50],
  [200, 100],
] as const;
/** Sequence numbers of the requests below; the attach had the first. */
const [IN, OUT, ISO, KEY, CANCELLING] = [2, 3, 4, 5, 6] as const;

const DATA = Uint8Array.from({ length: 300 }, (_, i) => i);
const INFO = encodeInfo({
  busid: "1-1",
  description: "held",
  serial: "S1",
  device: new HeldDevice(),
  attached: true,
})!;
const ISO_RESULTS = [
  [10, 0],
  [0, 13],
  [100, 0],
] as const;
const isoAnswer = response({ packets: ISO_RESULTS, data: DATA.subarray(0, 110), errorCount: 1 });

const READ = frame(RESPONSE, IN, response({ data: DATA }));
const WRITTEN = frame(RESPONSE, OUT, response({ transferred: 300 }));
const CAMERA = frame(RESPONSE, ISO, isoAnswer);
const CANCELLED = frame(RESPONSE, KEY, response({ status: 2 }));
const HEARD = frame(CANCEL, CANCELLING, words(KEY, 0));

/** Right answers of a host to the requests that are in flight. */
const ANSWERS: readonly (readonly Uint8Array[])[] = [
  [READ, WRITTEN, CAMERA, HEARD, CANCELLED],
  [
    CANCELLED,
    frame(KEEP_ALIVE, 9, words(0)),
    frame(RESPONSE, IN, response({ data: DATA }).subarray(0, 100), MORE),
    CAMERA,
    frame(EVENT, 0, joined([words(3), INFO])),
    frame(RESPONSE, IN, response({ data: DATA }).subarray(100)),
    HEARD,
    frame(RESPONSE, OUT, response({ status: 1 })),
  ],
  [
    frame(RESPONSE, ISO, isoAnswer.subarray(0, 60), MORE),
    frame(CREDIT, 0, words(1, 0)),
    frame(RESPONSE, ISO, new Uint8Array(0), 2),
    HEARD,
    WRITTEN,
    frame(DETACH, 0, words(1, 3)),
    frame(EVENT, 0, joined([words(2), INFO])),
  ],
  [READ, frame(ERROR, 0, joined([words(67), new Uint8Array(256)]))],
];

const PLACES = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40];
const MARGIN = 8;
const GUARD = 0xa5;

interface Played {
  readonly completions: string;
  readonly ended: string | undefined;
}

/** What becomes of the requests. */
function play(pieces: readonly Uint8Array[]): Played {
  const wire = new ClientWire();
  const device = wire.attached();
  const urbs: Urb[] = [];
  const submit = (endpoint: number, length: number, packets: readonly (readonly [number, number])[] = []) => {
    const { urb } = wire.submit(device, endpoint, length, packets);
    guard(urb);
    urbs.push(urb);
    return urb;
  };
  submit(0x81, 512);
  submit(0x01, 300);
  submit(0x83, 300, PACKETS);
  device.cancel(submit(0x82, 8));
  for (const piece of pieces) wire.reply(piece);
  const ended = wire.ended?.code;
  const completions = JSON.stringify(wire.completions);
  for (const [tag, , actualLength] of wire.completions) {
    const { length } = urbs[tag]!;
    requireSame(actualLength >= 0 && actualLength <= length, true, `${actualLength} of ${length} bytes`);
  }
  wire.client.disconnected();
  wire.loop.settle();
  const tags = wire.completions.map(([tag]) => tag).toSorted((a, b) => a - b);
  requireSame(tags.join(), "0,1,2,3", "URBs that completed");
  requireSame(wire.unplugs, 1, "unplugs");
  requireSame(wire.loop.timers, 0, "timers");
  for (const { buffer, length } of urbs) {
    const around = [...buffer.subarray(0, MARGIN), ...buffer.subarray(MARGIN + length)];
    requireSame(
      around.every((byte) => byte === GUARD),
      true,
      "bytes around a transfer untouched",
    );
  }
  return { completions, ended };
}

/** The request is on its way; its answer comes into memory with a margin. */
function guard(urb: Urb): void {
  urb.offset = MARGIN;
  urb.buffer = new Uint8Array(urb.length + 2 * MARGIN).fill(GUARD);
}

/** Answers of a host to requests in flight: measured before they are believed, however they come. */
export const wslusbClientTarget: Target = {
  name: "WslusbClient",
  corpus: ANSWERS.map((answers) => joined(answers)),
  mutant(random: Random) {
    const answers = random.pick(ANSWERS).map((answer) => answer.slice());
    const others = ANSWERS.flat();
    for (let changes = random.pick([0, 0, 1, 2]); changes > 0; changes--) {
      const at = random.below(answers.length);
      const answer = answers[at]!;
      switch (random.below(8)) {
        case 0:
        case 1:
          answers.splice(at, 1, answers[random.below(answers.length)]!.slice());
          break;
        case 2:
          answers.splice(at, 0, random.pick(others).slice());
          break;
        case 3:
          putField(answer, 8, 4, "little", random.below(9));
          break;
        default:
          putField(answer, random.pick(PLACES), random.pick([1, 4]), "little", oddNumber(random));
      }
    }
    const bytes = joined(answers);
    return random.oneIn(6) ? mutateBytes(bytes, random, others) : bytes;
  },
  judge(bytes, random) {
    const whole = play([bytes]);
    const pieces = play(cut(bytes, random));
    requireSame(pieces.completions, whole.completions, "completions of the same bytes cut another way");
    requireSame(pieces.ended, whole.ended, "end of the same bytes cut another way");
    return whole.ended === undefined ? "value" : "error";
  },
};
