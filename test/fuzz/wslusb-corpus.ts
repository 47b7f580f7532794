import { attach, CLIENT_HELLO, frame, request, words } from "../support/wslusb-wire.ts";
import { joined, mutateBytes, oddNumber, putField } from "./mutation.ts";
import type { Random } from "./random.ts";

const MORE = 1;
const ABANDONED = 2;
const NONE = new Uint8Array(0);

/** GET_DESCRIPTOR(device), 18 bytes. */
const DESCRIBE = request({ endpoint: 0x80, type: 0, setup: "80 06 00 01 00 00 12 00", length: 18 });
const WRITE = request({ endpoint: 0x01, data: Uint8Array.from({ length: 300 }, (_, i) => i) });
const CAMERA = request({
  endpoint: 0x83,
  type: 1,
  length: 300,
  packets: [
    [0, 100],
    [100, 50],
    [200, 100],
  ],
});
const SPEAKER = request({ endpoint: 0x03, type: 1, data: new Uint8Array(64), packets: [[0, 64]] });

/** What clients say, message by message; two devices are there, `1-1` and `1-2`. */
export const CONVERSATIONS: readonly (readonly Uint8Array[])[] = [
  [
    CLIENT_HELLO,
    frame(1, 1, words(1)),
    attach(2, "1-1"),
    frame(4, 3, DESCRIBE),
    frame(4, 4, request()),
    frame(8, 5, words(4)),
    frame(9, 1, words(0)),
    frame(3, 6, words(1)),
    attach(7, "1-1"),
  ],
  [
    CLIENT_HELLO,
    attach(1, "1-1"),
    attach(2, "1-2"),
    attach(3, "1-2"),
    attach(4, "none"),
    frame(4, 5, WRITE.subarray(0, 100), MORE),
    frame(4, 6, request({ device: 2, endpoint: 0x82, type: 3, length: 8 })),
    frame(4, 5, WRITE.subarray(100)),
    frame(10, 0, words(1, 0)),
    frame(4, 7, CAMERA),
    frame(4, 8, SPEAKER),
    frame(11, 9, words(1)),
    frame(4, 10, request({ device: 2 })),
  ],
  [
    CLIENT_HELLO,
    attach(1, "1-1"),
    frame(4, 2, WRITE.subarray(0, 60), MORE),
    frame(4, 3, WRITE.subarray(0, 41), MORE),
    frame(4, 2, NONE, ABANDONED),
    frame(4, 2, request({ endpoint: 0x0f, data: new Uint8Array(9) })),
    frame(4, 4, request({ endpoint: 0x81, type: 3 })),
    frame(4, 5, request({ endpoint: 0x83, type: 1, length: 9, packets: [[4, 100]] })),
    frame(3, 6, words(1)),
    frame(4, 3, WRITE.subarray(41)),
    frame(4, 7, request()),
    frame(9, 3, words(1)),
  ],
];

/** Where the words of a message are that mean something, from the start of its frame. */
const PLACES = [0, 4, 8, 12, 16, 20, 21, 22, 24, 32, 36, 40, 56, 60];

/** A conversation that is nearly right: messages change places, and fields their values. */
export function mutateConversation(random: Random): Uint8Array {
  const messages = random.pick(CONVERSATIONS).map((message) => message.slice());
  const others = CONVERSATIONS.flat();
  for (let changes = random.below(3); changes > 0; changes--) {
    const at = 1 + random.below(messages.length - 1);
    switch (random.below(6)) {
      case 0:
        messages.splice(at, 1);
        break;
      case 1:
        messages.splice(at, 0, random.pick(others).slice());
        break;
      case 2:
        messages.splice(at, 0, messages[random.below(messages.length)]!.slice());
        break;
      case 3: {
        const message = messages[at]!;
        const place = random.pick(PLACES);
        if (place < message.length)
          putField(message, place, random.pick([1, 4]), "little", oddNumber(random));
        break;
      }
      case 4:
        putField(messages[at]!, 8, 4, "little", random.below(12));
        break;
      default:
        putField(messages[at]!, 16, 4, "little", random.below(4));
    }
    if (messages.length < 2) break;
  }
  const bytes = joined(messages);
  return random.oneIn(6) ? mutateBytes(bytes, random, others) : bytes;
}
