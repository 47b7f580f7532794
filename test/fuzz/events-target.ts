import { DeviceEventsRequest } from "../../src/usbip/device-events.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { joined, mutateBytes, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { cut, requireSame, type Target } from "./target.ts";
import { word } from "./usbip-message.ts";

const REPLY = annotatedHex("0111 0e01 00000000 0001 000a");
const LONGEST = 312 + 4 + 255 * 4 + 126 * 2 + 8192;
const DEVICES_MAX = 4096;

function event(kind: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = joined([new Uint8Array(8), body]);
  putField(bytes, 0, 2, "big", kind);
  putField(bytes, 2, 2, "big", body.length);
  putField(bytes, 4, 4, "big", sequence);
  return bytes;
}

function device(
  busid: string,
  interfaces: number,
  serialUnits: number,
  state: number,
  descriptors = 0,
): Uint8Array {
  const body = new Uint8Array(316 + 4 * interfaces + 2 * serialUnits + descriptors).fill(0x41, 316);
  putField(body, 314, 2, "big", descriptors);
  body.set(Buffer.from(busid), 256);
  body[311] = interfaces;
  body[312] = state;
  body[313] = serialUnits;
  return body;
}

function removed(busid: string): Uint8Array {
  const body = new Uint8Array(32);
  body.set(Buffer.from(busid));
  return body;
}

const NOTHING = new Uint8Array(0);

const CONVERSATIONS: readonly Uint8Array[] = [
  joined([
    REPLY,
    event(1, 1, device("a", 1, 0, 0)),
    event(1, 2, device("b", 3, 8, 1, 50)),
    event(2, 3, NOTHING),
    event(4, 4, device("a", 2, 0, 1)),
    event(6, 5, NOTHING),
    event(5, 6, removed("a")),
    event(3, 7, device("a", 0, 126, 0)),
    event(0x99, 8, removed("later")),
  ]),
  joined([REPLY, event(2, 1, NOTHING), event(3, 2, device("c", 255, 126, 0))]),
  annotatedHex("0111 0e01 00000001"),
];

/** A conversation with events of any kind at any place, most of them possible. */
function conversation(random: Random): Uint8Array {
  if (random.oneIn(3)) return mutateBytes(random.pick(CONVERSATIONS), random, CONVERSATIONS);
  const parts = [REPLY];
  const present = new Set<string>();
  let isSnapshot = true;
  for (let sequence = 1; sequence <= 1 + random.below(12); sequence++) {
    const busid = random.pick(["a", "b", "c"]);
    const likely = isSnapshot ? (present.has(busid) ? 2 : 1) : present.has(busid) ? random.pick([4, 5]) : 3;
    const kind = random.oneIn(25) ? 1 + random.below(8) : likely;
    if (kind === 2) isSnapshot = false;
    if (kind === 5) present.delete(busid);
    else if (kind !== 2) present.add(busid);
    const body =
      kind === 2 || kind >= 6
        ? NOTHING
        : kind === 5
          ? removed(busid)
          : device(
              busid,
              random.below(3),
              random.below(4),
              random.oneIn(40) ? 2 : random.below(2),
              random.below(3) * 30,
            );
    parts.push(event(kind, random.oneIn(40) ? random.next() : sequence, body));
  }
  return joined(parts);
}

/** What the bytes say, by reading forward once: a word for each message, and at last why it ended, if it did. */
function read(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 8) return [];
  if (view.getUint16(0) !== 0x0111) return ["BAD_VERSION"];
  if (view.getUint16(2) !== 0x0e01) return ["BAD_COMMAND"];
  if (view.getUint32(4) !== 0) return ["refused"];
  if (bytes.length < 12) return [];
  if (view.getUint16(8) !== 1) return ["BAD_VERSION"];
  if (view.getUint16(10) < 1 || view.getUint16(10) > 300) return ["BAD_FIELD"];
  const said = ["accepted"];
  const present = new Set<string>();
  let isSnapshot = true;
  let expected = 1;
  for (let at = 12; at + 8 <= bytes.length; expected++) {
    const kind = view.getUint16(at);
    const length = view.getUint16(at + 2);
    if (length > LONGEST) return [...said, "BAD_LENGTH"];
    if (word(bytes, at + 4) !== expected) return [...said, "BAD_FIELD"];
    const end = at + 8 + length;
    if (end > bytes.length) break;
    const body = bytes.subarray(at + 8, end);
    const message = meaning(kind, body, present, isSnapshot);
    if (message !== "") said.push(message);
    if (/^[A-Z]/.test(message)) break;
    if (kind === 2) isSnapshot = false;
    at = end;
  }
  return said;
}

function meaning(kind: number, body: Uint8Array, present: Set<string>, isSnapshot: boolean): string {
  switch (kind) {
    case 1:
    case 3:
    case 4: {
      if (body.length < 316) return "TRUNCATED";
      const descriptors = (body[314]! << 8) | body[315]!;
      const length = 316 + 4 * body[311]! + 2 * body[313]! + descriptors;
      if (body[313]! > 126 || descriptors > 8192 || body.length !== length) return "BAD_LENGTH";
      if (body[312]! > 1) return "BAD_FIELD";
      const busid = name(body.subarray(256, 288));
      if ((kind === 1) !== isSnapshot || busid === "" || present.has(busid) !== (kind === 4))
        return "BAD_FIELD";
      if (kind !== 4 && present.size === DEVICES_MAX) return "BAD_LENGTH";
      present.add(busid);
      return `${["", "present", "", "added", "changed"][kind]} ${busid} ${body[311]} ${body[313]} ${body[312]} ${descriptors}`;
    }
    case 5:
      if (body.length !== 32) return "BAD_LENGTH";
      return !isSnapshot && present.delete(name(body)) ? `removed ${name(body)}` : "BAD_FIELD";
    case 2:
      if (body.length > 0) return "BAD_LENGTH";
      return isSnapshot ? "snapshot-end" : "BAD_FIELD";
    case 6:
      return body.length > 0 ? "BAD_LENGTH" : "alive";
    default:
      return "";
  }
}

function name(field: Uint8Array): string {
  return Buffer.from(field).toString("latin1").split("\0", 1)[0]!;
}

/** The client's side of pushed events: whatever a host sends. */
export const eventsTarget: Target = {
  name: "DeviceEventsRequest",
  corpus: CONVERSATIONS,
  mutant: conversation,
  judge(bytes, random) {
    const heard: string[] = [];
    const request = new DeviceEventsRequest((message) => {
      switch (message.kind) {
        case "failed":
          heard.push(message.error.code);
          break;
        case "removed":
          heard.push(`removed ${message.busid}`);
          break;
        case "present":
        case "added":
        case "changed": {
          const { busid, interfaces, serial = "", isFree, descriptors } = message.device;
          const counts = `${interfaces.length} ${serial.length} ${isFree ? 0 : 1} ${descriptors?.length ?? 0}`;
          heard.push(`${message.kind} ${busid} ${counts}`);
          break;
        }
        default:
          heard.push(message.kind);
      }
    });
    for (const piece of cut(bytes, random)) request.receive(piece);
    const expected = read(bytes);
    requireSame(heard.join("\n"), expected.join("\n"), "what was heard");
    return /^[A-Z]/.test(heard.at(-1) ?? "T") ? "error" : "value";
  },
};
