import { DeviceListRequest, type ListedDevice } from "../../src/usbip/device-list.ts";
import { readRequest } from "../../src/usbip/handshake.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { joined, mutateBytes, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { cut, requireSame, type Target } from "./target.ts";
import { word } from "./usbip-message.ts";

const DEVLIST = annotatedHex("0111 8005 00000000");
const IMPORT = joined([annotatedHex("0111 8003 00000000 312d32"), new Uint8Array(29)]);
const LONG_IMPORT = joined([annotatedHex("0111 8003 00000000"), new Uint8Array(32).fill(0x61)]);

const EVENTS = annotatedHex("0111 8e01 00000000 00000001");

const REQUESTS = [DEVLIST, IMPORT, LONG_IMPORT, joined([DEVLIST, IMPORT]), EVENTS];

function requestCode(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length >= 2 && view.getUint16(0) !== 0x0111) return "BAD_VERSION";
  if (bytes.length >= 4 && ![0x8003, 0x8005, 0x8e01].includes(view.getUint16(2))) return "BAD_COMMAND";
  if (bytes.length < 8) return undefined;
  if (view.getUint32(4) !== 0) return "BAD_FIELD";
  if (view.getUint16(2) === 0x8005) return "devlist";
  if (view.getUint16(2) === 0x8e01) return bytes.length < 12 ? undefined : "events";
  return bytes.length < 40 ? undefined : "import";
}

export const requestTarget: Target = {
  name: "readRequest",
  corpus: REQUESTS,
  mutant: (random) => {
    if (random.oneIn(2)) return mutateBytes(random.pick(REQUESTS), random, REQUESTS);
    const bytes = LONG_IMPORT.slice();
    for (let i = random.below(32); i > 0; i--) bytes[8 + random.below(32)] = random.next();
    return bytes;
  },
  judge(bytes) {
    const request = readRequest(bytes);
    const expected = requestCode(bytes);
    if (request === undefined || request instanceof ProtocolError) {
      requireSame(request?.code, expected, "answer");
      return "error";
    }
    requireSame(request.kind, expected, "answer");
    requireSame(request.size, { devlist: 8, import: 40, events: 12 }[request.kind], "size");
    if (request.kind === "events") requireSame(request.version, word(bytes, 8), "version");
    if (request.kind === "import") {
      const field = Buffer.from(bytes.subarray(8, 40)).toString("latin1");
      requireSame(request.busid, field.split("\0", 1)[0], "busid");
    }
    return "value";
  },
};

const RECORD = joined([
  annotatedHex(`
    2f7379732f62757300 ${"00".repeat(247)}  path
    312d3200 ${"00".repeat(28)}             busid
    00000001 00000002 00000003              busnum, devnum, speed
    1209 0001 0100                          vendor, product, release
    00 00 00 01 01                          class, subclass, protocol, configuration, configurations
  `),
]);

function listOf(...interfaceCounts: readonly number[]): Uint8Array {
  const head = annotatedHex("0111 0005 00000000 00000000");
  putField(head, 8, 4, "big", interfaceCounts.length);
  const devices = interfaceCounts.map((count) =>
    joined([
      RECORD,
      Uint8Array.of(count),
      ...Array.from({ length: count }, (_, i) => Uint8Array.of(8, 6, i, 0)),
    ]),
  );
  return joined([head, ...devices]);
}

const LISTS = [listOf(), listOf(1), listOf(2, 0, 3), annotatedHex("0111 0005 00000001")];

/** Bytes of the devices that a reply must have, or the error it must end with, by reading forward once. */
function readList(bytes: Uint8Array): { devices: number; interfaces: number } | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 8) return "TRUNCATED";
  if (view.getUint16(0) !== 0x0111) return "BAD_VERSION";
  if (view.getUint16(2) !== 0x0005) return "BAD_COMMAND";
  if (view.getUint32(4) !== 0) return "BAD_FIELD";
  if (bytes.length < 12) return "TRUNCATED";
  const devices = view.getUint32(8);
  if (devices > 4096) return "BAD_LENGTH";
  let interfaces = 0;
  let at = 12;
  for (let i = 0; i < devices; i++) {
    if (at + 312 > bytes.length) return "TRUNCATED";
    interfaces += bytes[at + 311]!;
    at += 312 + 4 * bytes[at + 311]!;
    if (at > bytes.length) return "TRUNCATED";
  }
  return { devices, interfaces };
}

function mutateList(random: Random): Uint8Array {
  if (random.oneIn(3)) return mutateBytes(random.pick(LISTS), random, LISTS);
  const list = listOf(...Array.from({ length: random.below(4) }, () => random.below(4)));
  // Fields of the records that say nothing about lengths.
  for (let i = random.below(8); i > 0 && list.length > 12; i--) list[12 + random.below(310)] = random.next();
  return list;
}

export const listTarget: Target = {
  name: "DeviceListRequest",
  corpus: LISTS,
  mutant: mutateList,
  judge(bytes, random) {
    const answers: (readonly ListedDevice[] | ProtocolError)[] = [];
    const request = new DeviceListRequest((answer) => answers.push(answer));
    const expected = readList(bytes);
    for (const piece of cut(bytes, random)) request.receive(piece);
    requireSame(answers.length, expected === "TRUNCATED" ? 0 : 1, "answers before the end");
    request.ended();
    request.receive(bytes);
    requireSame(answers.length, 1, "answers");
    const answer = answers[0]!;
    if (typeof expected === "string" || answer instanceof ProtocolError) {
      requireSame(answer instanceof ProtocolError ? answer.code : "a list", expected, "answer");
      return "error";
    }
    requireSame(answer.length, expected.devices, "devices");
    requireSame(
      answer.reduce((sum, { interfaces }) => sum + interfaces.length, 0),
      expected.interfaces,
      "interfaces",
    );
    return "value";
  },
};
