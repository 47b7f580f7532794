import { joined, mutateBytes, oddNumber } from "./mutation.ts";
import type { Random } from "./random.ts";
import { SESSIONS } from "./session-corpus.ts";
import { AT, HEADER, OP_IMPORT, PACKET, packet, partsOf, putWord, word } from "./usbip-message.ts";

const STREAMS = SESSIONS.map((session) => joined(session));
/** Most messages of a mutant: recorded sessions are cut to a run of this many. */
const MESSAGES_MAX = 24;

/** A session with messages doubled, dropped, moved and edited; seldom one that breaks the framing. */
export function mutateSession(random: Random): Uint8Array {
  let messages = excerpt(random);
  for (let changes = 1 + random.below(5); changes > 0; changes--) messages = change(messages, random);
  if (random.oneIn(3)) renumber(messages);
  const stream = joined(messages);
  return random.oneIn(20) ? mutateBytes(stream, random, STREAMS) : stream;
}

/** The beginning of a session and a run of its messages. */
function excerpt(random: Random): Uint8Array[] {
  const session = random.pick(SESSIONS);
  const start = session.length > MESSAGES_MAX ? 1 + random.below(session.length - MESSAGES_MAX) : 1;
  return [session[0]!, ...session.slice(start, start + MESSAGES_MAX)].map((message) => message.slice());
}

function change(messages: Uint8Array[], random: Random): Uint8Array[] {
  const at = random.below(messages.length);
  const chosen = messages[at]!;
  switch (random.below(12)) {
    case 0:
      return messages.toSpliced(at + 1, 0, chosen.slice());
    case 1:
      return messages.length > 1 && at > 0 ? messages.toSpliced(at, 1) : messages;
    case 2: {
      const other = random.below(messages.length);
      if (at > 0 && other > 0) [messages[at], messages[other]] = [messages[other]!, chosen];
      return messages;
    }
    case 3: {
      const session = random.pick(SESSIONS);
      const start = random.below(session.length);
      const more = session.slice(Math.max(start, 1), start + 4).map((message) => message.slice());
      return messages.toSpliced(at + 1, 0, ...more);
    }
    case 4:
      return messages.slice(0, at + 1);
    default:
      if (chosen.length >= HEADER) messages[at] = edit(chosen, messages, random);
      else if (chosen.length === OP_IMPORT && random.oneIn(20))
        chosen[random.below(OP_IMPORT)] = random.next();
      return messages;
  }
}

/** Gives every request its own seqnum, and lets unlinks follow. */
function renumber(messages: readonly Uint8Array[]): void {
  const renamed = new Map<number, number>();
  let seqnum = 1;
  for (const message of messages) {
    if (message.length < HEADER) continue;
    renamed.set(word(message, AT.seqnum), seqnum);
    putWord(message, AT.seqnum, seqnum++);
    if (word(message, AT.command) !== 2) continue;
    const unlinked = word(message, AT.unlinked);
    putWord(message, AT.unlinked, renamed.get(unlinked) ?? unlinked);
  }
}

function edit(message: Uint8Array, messages: readonly Uint8Array[], random: Random): Uint8Array {
  const seqnums = messages.filter(({ length }) => length >= HEADER).map((other) => word(other, AT.seqnum));
  if (random.oneIn(40)) {
    putWord(message, random.pick([AT.command, AT.devid, AT.direction, AT.ep]), oddNumber(random));
    return message;
  }
  if (word(message, AT.command) === 2) {
    putWord(message, random.pick([AT.seqnum, AT.unlinked, AT.unlinked]), random.pick(seqnums));
    return message;
  }
  switch (random.below(9)) {
    case 0:
      putWord(message, AT.seqnum, random.oneIn(2) ? random.next() : random.pick(seqnums));
      return message;
    case 1:
      putWord(message, AT.ep, random.below(16));
      return message;
    case 2:
      return turned(message);
    case 3:
      putWord(message, random.pick([AT.flags, AT.startFrame, AT.interval]), oddNumber(random));
      return message;
    case 4:
      message[AT.setup + random.below(8)] = random.oneIn(2) ? random.below(16) : random.next();
      return message;
    case 5: {
      const setup = Buffer.from(random.pick(SETUPS), "hex");
      message.set(setup, AT.setup);
      return message;
    }
    case 6:
      return resized(message, random.oneIn(30) ? oddNumber(random) : random.below(700), random);
    case 7:
      return repacked(message, random);
    default:
      return oddPacket(message, random);
  }
}

/** SET_CONFIGURATION, SET_INTERFACE, PORT_RESET, GET_DESCRIPTOR, CLEAR_FEATURE(HALT). */
const SETUPS: readonly string[] = [
  "0009000000000000",
  "0009010000000000",
  "0009020000000000",
  "010b000001000000",
  "010b010001000000",
  "2303040000000000",
  "8006000100001200",
  "0201000081000000",
];

/** The other direction, with the payload it needs. */
function turned(message: Uint8Array): Uint8Array {
  putWord(message, AT.direction, word(message, AT.direction) ^ 1);
  return rebuilt(message, packetsOf(message));
}

/** Another length, mostly with a payload to match. */
function resized(message: Uint8Array, length: number, random: Random): Uint8Array {
  const packets = packetsOf(message);
  putWord(message, AT.length, length);
  return random.oneIn(20) || length > 4096 ? message : rebuilt(message, packets);
}

/** About the limit of packets. */
const EDGES_OF_PACKETS = [1024, 1025, 1026] as const;

/** Other packets: some that fit and some that do not, on any endpoint. */
function repacked(message: Uint8Array, random: Random): Uint8Array {
  const length = word(message, AT.length);
  const packets: Uint8Array[] = [];
  let offset = 0;
  for (let i = random.below(8); i > 0; i--) {
    const packetLength = random.below(Math.max(length / 4, 2));
    packets.push(packet(offset, packetLength));
    offset += packetLength + (random.oneIn(8) ? random.below(10) - 2 : 0);
  }
  if (random.oneIn(2)) putWord(message, AT.ep, 3);
  const odd = random.oneIn(2) ? random.pick(EDGES_OF_PACKETS) : oddNumber(random);
  const count = random.oneIn(30) ? odd : packets.length;
  const bytes = rebuilt(message, packets);
  putWord(bytes, AT.numberOfPackets, count);
  return bytes;
}

function oddPacket(message: Uint8Array, random: Random): Uint8Array {
  const packets = packetsOf(message);
  if (packets.length > 0) putWord(random.pick(packets), random.pick([0, 4, 8, 12]), oddNumber(random));
  return rebuilt(message, packets);
}

function packetsOf(message: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  const count = Math.min(partsOf(message, 0).packets, 1024);
  for (let at = message.length - count * PACKET; at >= HEADER && at < message.length; at += PACKET) {
    packets.push(message.slice(at, at + PACKET));
  }
  return packets;
}

function rebuilt(message: Uint8Array, packets: readonly Uint8Array[]): Uint8Array {
  const header = message.slice(0, HEADER);
  if (packets.length > 0) putWord(header, AT.numberOfPackets, packets.length);
  const { payload } = partsOf(header, 0);
  return joined([header, new Uint8Array(Math.min(payload, 4096)).fill(header[AT.seqnum + 3]!), ...packets]);
}
