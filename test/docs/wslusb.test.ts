import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createUrb,
  isIn,
  PACKET_WORDS,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../src/usb/urb.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { AttachRefusal } from "../../src/wslusb/attach-answer.ts";
import { WslusbClient } from "../../src/wslusb/client.ts";
import type { WslusbDevice } from "../../src/wslusb/client-device.ts";
import {
  AttachedDevice,
  AttachResponse,
  DeviceInfo,
  EnumerationRequest,
  FrameHeader,
  Hello,
  MessageType,
  UrbRequest,
  UrbResponse,
} from "../../src/wslusb/messages.ts";
import { FOREIGN, Status, type StatusName } from "../../src/wslusb/status.ts";
import { HostedWire } from "../support/hosted-wire.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { attach, CLIENT_HELLO } from "../support/wslusb-wire.ts";

const document = readFileSync(
  fileURLToPath(new URL("../../../docs/protocols/wslusb.md", import.meta.url)),
  "utf8",
);

interface Said {
  readonly side: "C" | "H";
  readonly title: string;
  readonly bytes: Uint8Array;
}

/** The frames of an example: a line that begins with C or H, then lines of hex, two spaces, and words. */
function example(name: string): Said[] {
  const [, text] = new RegExp(`^\`\`\`${name}\\n([^]*?)\\n\`\`\`$`, "m").exec(document) ?? [];
  assert.ok(text !== undefined, `the document has an example "${name}"`);
  return text.split("\n\n").map((block) => {
    const [title, ...lines] = block.split("\n");
    const bytes = lines.flatMap((line) => hexOf(line.split(/ {2,}/)[0]!));
    return { side: title![0] as "C" | "H", title: title!, bytes: Uint8Array.from(bytes) };
  });
}

function hexOf(text: string): number[] {
  return text.split(" ").flatMap((word) => {
    const [, byte, count] = /^([0-9a-f]{2})\*(\d+)$/.exec(word) ?? [];
    if (byte !== undefined) return Array.from({ length: Number(count) }, () => Number.parseInt(byte, 16));
    assert.match(word, /^([0-9a-f]{2})*$/, text);
    return Array.from(Buffer.from(word, "hex"));
  });
}

const EXAMPLE = example("example");

/** What the device does when the host of the example has read the request with this sequence number. */
const DEVICE: Readonly<Record<number, (wire: HostedWire) => void>> = {
  3: ({ devices: [device] }) =>
    device!.finish(device!.held[0]!, TransferStatus.ok, device!.descriptors.subarray(0, 18)),
  4: ({ devices: [device] }) => device!.finish(device!.held[0]!),
  5: ({ devices: [device] }) => {
    const [urb] = device!.held;
    urb!.buffer.set([1, 2, 3], urb!.offset);
    urb!.buffer[urb!.offset + 4] = 9;
    urb!.packets.set([3, TransferStatus.ok], 2);
    urb!.packets.set([1, TransferStatus.ok], 6);
    urb!.startFrame = 100;
    device!.finish(urb!);
  },
  8: ({ devices: [device] }) => device!.finish(device!.held[0]!, TransferStatus.stall, new Uint8Array(0)),
  9: (wire) => {
    wire.devices[0]!.resets[0]!(TransferStatus.ok);
    wire.loop.settle();
    // The list that the client subscribed to did not know that it would have the device.
    wire.host.offersChanged();
    wire.loop.settle();
    wire.loop.advance(3_400);
  },
};

test("the host says what the example of the document shows, byte by byte", () => {
  const wire = new HostedWire();
  for (const { side, bytes } of EXAMPLE) {
    if (side !== "C") continue;
    wire.receive(bytes);
    const isAnswer = FrameHeader.type(bytes, 0) === MessageType.KeepAlive;
    if (!isAnswer) DEVICE[FrameHeader.sequence_number(bytes, 0)]?.(wire);
    wire.loop.settle();
  }
  const expected = EXAMPLE.filter(({ side }) => side === "H").map(({ bytes }) => bytes);
  assert.deepEqual(Buffer.concat(wire.written), Buffer.concat(expected));
});

/** What the user of the client asks for, in the order of the example. */
function* clientOf(client: WslusbClient, loop: ManualLoop): Generator<void> {
  client.greet(() => {});
  yield;
  client.list(true, () => {});
  yield;
  let device: WslusbDevice | undefined;
  client.attach("1-1", (answer) => {
    if (answer instanceof AttachRefusal) assert.fail(answer.message);
    device = answer;
  });
  yield;
  assert.ok(device !== undefined);
  const host = { complete: (urb: Urb) => void completed.push(urb), unplugged: () => {} };
  device.open(host, loop, () => {});
  const completed: Urb[] = [];
  const submit = (endpoint: number, type: TransferType, length: number, change: Partial<Urb> = {}): Urb => {
    const urb: Urb = { ...createUrb(0), endpoint, type, length, buffer: new Uint8Array(length), ...change };
    device!.submit(urb);
    device!.flush();
    return urb;
  };
  const setup = Uint8Array.of(0x80, 6, 0, 1, 0, 0, 18, 0);
  const described = submit(0x80, TransferType.control, 18, { setup });
  yield;
  assert.deepEqual(described.buffer, device.descriptors.subarray(0, 18));
  const hello = { buffer: Uint8Array.from(Buffer.from("hello")), flags: UrbFlag.zeroPacket };
  submit(0x01, TransferType.bulk, 5, hello);
  yield;
  const packets = Int32Array.of(0, 4, 0, TransferStatus.notDone, 4, 4, 0, TransferStatus.notDone);
  const isochronous = submit(0x83, TransferType.isochronous, 8, {
    packets,
    packetCount: packets.length / PACKET_WORDS,
    flags: UrbFlag.isoAsap,
    interval: 1,
  });
  yield;
  assert.deepEqual([...isochronous.buffer.subarray(0, 3), isochronous.buffer[4]], [1, 2, 3, 9]);
  assert.equal(isochronous.startFrame, 100);
  const silent = submit(0x82, TransferType.interrupt, 8, { interval: 8 });
  device.cancel(silent);
  device.flush();
  yield;
  yield;
  assert.equal(silent.status, TransferStatus.cancelled);
  const halted = submit(0x81, TransferType.bulk, 512);
  yield;
  assert.equal(halted.status, TransferStatus.stall);
  device.reset(() => {});
  yield;
  yield;
  loop.advance(3_400);
  yield;
  device.detach(() => {});
  yield;
  assert.equal(completed.length, 5);
}

test("the client says what the example of the document shows, byte by byte", () => {
  const loop = new ManualLoop();
  const written: Uint8Array[] = [];
  const client = new WslusbClient(loop, {
    write: (chunks, taken) => {
      written.push(Uint8Array.from(Buffer.concat(chunks)));
      loop.soon(taken);
    },
    end: (error) => assert.fail(error.toString()),
    takenBack: () => {},
    changed: () => {},
  });
  const user = clientOf(client, loop);
  user.next();
  loop.settle();
  for (const { side, bytes } of EXAMPLE) {
    if (side !== "H") continue;
    client.receive(bytes);
    loop.settle();
    // A question is answered; an answer leads to nothing.
    if (FrameHeader.type(bytes, 0) === MessageType.KeepAlive && bytes[16] === 0) continue;
    user.next();
    loop.settle();
  }
  const expected = EXAMPLE.filter(({ side }) => side === "C").map(({ bytes }) => bytes);
  assert.deepEqual(Buffer.concat(written), Buffer.concat(expected));
});

test("a request in two frames is carried out as the document shows", () => {
  const wire = new HostedWire();
  wire.receive(CLIENT_HELLO, attach(1, "1-1"));
  wire.written.length = 0;
  const said = example("cut");
  for (const { side, bytes } of said) if (side === "C") wire.receive(bytes);
  const [device] = wire.devices;
  assert.deepEqual(device!.payloads, [Uint8Array.from(Buffer.from("hello"))]);
  device!.finish(device!.held[0]!);
  wire.loop.settle();
  const expected = said.filter(({ side }) => side === "H").map(({ bytes }) => bytes);
  assert.deepEqual(Buffer.concat(wire.written), Buffer.concat(expected));
});

test("what the long example has not goes as the document shows", () => {
  const wire = new HostedWire();
  wire.receive(CLIENT_HELLO, attach(1, "1-1"));
  wire.written.length = 0;
  const said = example("rest");
  const [device] = wire.devices;
  for (const { side, bytes } of said) {
    if (side !== "C") continue;
    wire.receive(bytes);
    // Of its three URBs the first has come whole, the second never does, and the third is cancelled.
    if (device!.payloads.length === 1 && device!.held.length === 1 && !isIn(device!.held[0]!.endpoint)) {
      device!.finish(device!.held[0]!);
    }
    wire.loop.settle();
  }
  wire.handles[0]!.takeBack();
  wire.loop.settle();
  wire.host.leave(new ProtocolError("ENDED", "this host stopped"));
  const expected = said.filter(({ side }) => side === "H").map(({ bytes }) => bytes);
  assert.deepEqual(Buffer.concat(wire.written).toString("hex"), Buffer.concat(expected).toString("hex"));
});

test("a client of version 1 is answered as the document shows", () => {
  const [asked, answer] = example("version1");
  const wire = new HostedWire();
  wire.receive(asked!.bytes);
  assert.deepEqual(Buffer.concat(wire.written), Buffer.from(answer!.bytes));
});

test("the document lays out the messages as the code does", () => {
  const rows = Array.from(
    document.matchAll(/^\| +(\d+) \| +(\d+) \| `(\w+)`/gm),
    ([, offset, size, field]) => [Number(offset), Number(size), field!] as const,
  );
  const structs = [
    [FrameHeader, 0],
    [Hello, 0],
    [EnumerationRequest, 0],
    [DeviceInfo, 0],
    [AttachResponse, 0],
    [AttachedDevice, AttachResponse.size],
    [UrbRequest, 0],
    [UrbResponse, 0],
  ] as const;
  const expected: (readonly [number, number, string])[] = [];
  for (const [{ fields }, start] of structs) {
    let offset: number = start;
    for (const [name, { size }] of Object.entries(fields)) {
      expected.push([offset, size, name]);
      offset += size;
    }
  }
  assert.deepEqual(rows, expected);
});

test("the document has every status, with its names elsewhere", () => {
  const rows = Array.from(
    document.matchAll(
      /^\| +(\d+) \| ([A-Z_]+) +\|[^|]+\| (-?\d+)[^|]* \| (\d+) [^|]*\| (0x\w+) \| (0x\w+) /gm,
    ),
    ([, number, name, errno, win32, ntstatus, usbd]) => [
      name!,
      ...[number, errno, win32, ntstatus, usbd].map(Number),
    ],
  );
  const expected = Object.entries(Status).map(([name, number]) => {
    const { errno, win32, ntstatus, usbd } = FOREIGN[name as StatusName];
    return [name, number, errno, win32, ntstatus, usbd];
  });
  assert.deepEqual(rows, expected);
});
