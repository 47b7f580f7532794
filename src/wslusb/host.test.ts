import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldDevice } from "../../test/support/held-device.ts";
import { HostedWire } from "../../test/support/hosted-wire.ts";
import {
  attach,
  CLIENT_HELLO,
  frame,
  request,
  type SeenFrame,
  words,
} from "../../test/support/wslusb-wire.ts";
import { TransferStatus } from "../usb/urb.ts";
import { UrbTrace } from "../usb/urb-trace.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { WSLUSB_LIMITS } from "./limits.ts";
import {
  DeviceInfo,
  ErrorMessage,
  EventKind,
  FrameFlag,
  Hello,
  MAX_PAYLOAD,
  MessageType,
  UrbResponse,
} from "./messages.ts";
import { Status } from "./status.ts";

const { UrbRequest: URB, UrbResponse: RESPONSE, UrbCancel: CANCEL } = MessageType;

function shapes(frames: readonly SeenFrame[]): number[][] {
  return frames.map(({ type, sequence, payload }) => [type, sequence, payload.length]);
}

function isOver({ ended }: HostedWire): boolean {
  return ended !== undefined;
}

/** [sequence, status, transferred] of the responses. */
function results(frames: readonly SeenFrame[]): number[][] {
  return frames
    .filter(({ type }) => type === RESPONSE)
    .map(({ sequence, payload }) => [
      sequence,
      UrbResponse.status(payload, 0),
      UrbResponse.transferred_length(payload, 0),
    ]);
}

test("a Hello is answered with the limits of the host", () => {
  const wire = new HostedWire();
  wire.receive(CLIENT_HELLO);
  const [hello] = wire.seen();
  assert.equal(hello?.type, MessageType.Hello);
  assert.deepEqual(
    [Hello.version(hello.payload, 0), Hello.devices(hello.payload, 0), Hello.packets(hello.payload, 0)],
    [2, 64, 1024],
  );
});

test("version 1 is answered with an Error frame that says what is spoken here", () => {
  const urb = frame(URB, 0, new Uint8Array(272));
  for (const first of [urb, frame(MessageType.DeviceEnumeration, 0, new Uint8Array(4))]) {
    const wire = new HostedWire();
    wire.receive(first);
    const [error, ...more] = wire.seen();
    assert.deepEqual(more, []);
    assert.equal(error?.type, MessageType.Error);
    assert.equal(ErrorMessage.status(error.payload, 0), Status.BAD_VERSION);
    assert.match(ErrorMessage.message(error.payload, 0), /begins with Hello \(type 7\)/);
    assert.equal(wire.ended?.code, "BAD_VERSION");
  }
});

const NO_FRAMES: readonly (readonly [string, Uint8Array])[] = [
  ["a type that does not exist", frame(12, 0, words(0))],
  ["a type of this version", frame(MessageType.KeepAlive, 0, words(0))],
  ["zeros", new Uint8Array(16)],
  ["a web browser", Uint8Array.from(Buffer.from("GET / HTTP/1.1\r\n"))],
  ["ones", new Uint8Array(100).fill(0xff)],
];

for (const [what, bytes] of NO_FRAMES) {
  test(`${what} instead of a Hello is BAD_VERSION, whatever its other bytes say`, () => {
    const wire = new HostedWire();
    wire.receive(bytes);
    const [error] = wire.seen();
    assert.equal(ErrorMessage.status(error!.payload, 0), Status.BAD_VERSION);
    assert.doesNotMatch(ErrorMessage.message(error!.payload, 0), /as in version 1/);
  });
}

test("a client of other versions is told which one is spoken", () => {
  const wire = new HostedWire();
  const later = CLIENT_HELLO.slice();
  later[16 + 6] = 4;
  later[16 + 8] = 3;
  wire.receive(later);
  assert.equal(wire.ended?.code, "BAD_VERSION");
  assert.match(wire.ended.message, /3 to 4, this host 2/);
});

test("of two Hellos that were begun one is the first, and the other one too many", () => {
  const wire = new HostedWire();
  const payload = CLIENT_HELLO.subarray(16);
  for (const sequence of [1, 2]) wire.receive(frame(MessageType.Hello, sequence, payload.slice(0, 9), 1));
  wire.receive(frame(MessageType.Hello, 2, payload.slice(9)));
  assert.ok(!isOver(wire));
  wire.receive(frame(MessageType.Hello, 1, payload.slice(9)));
  assert.equal(wire.ended?.code, "BAD_COMMAND");
  assert.equal(wire.loop.timers, 0);
});

test("a Hello of a later version may be longer and offer this one", () => {
  const wire = new HostedWire();
  const later = frame(MessageType.Hello, 0, Buffer.concat([CLIENT_HELLO.subarray(16), new Uint8Array(100)]));
  later[16 + 6] = 9;
  wire.receive(later);
  assert.equal(wire.seen()[0]?.type, MessageType.Hello);
});

test("a list tells what a device is, before anybody has it", () => {
  const wire = new HostedWire();
  wire.receive(CLIENT_HELLO, frame(MessageType.DeviceEnumeration, 7, words(0)));
  const list = wire.seen().at(-1)!;
  assert.deepEqual([list.type, list.sequence], [MessageType.DeviceEnumeration, 7]);
  assert.deepEqual(list.payload.subarray(0, 4), words(1));
  const info = DeviceInfo.decode(list.payload, 4);
  assert.ok("vid" in info);
  assert.deepEqual(
    [info.instance_id, info.vid, info.pid, info.is_attached, info.speed, info.interface_count, info.serial],
    ["1-1", 0x1209, 1, 0, 3, 1, "S1"],
  );
});

test("changes are pushed to a client that asked to be told, and to no other", () => {
  for (const flags of [0, 1]) {
    const devices = [new HeldDevice()];
    const wire = new HostedWire(WSLUSB_LIMITS, devices);
    wire.receive(CLIENT_HELLO);
    wire.receive(frame(MessageType.DeviceEnumeration, 1, words(flags)));
    wire.seen();
    const events = (): number[][] => {
      wire.host.offersChanged();
      wire.host.offersChanged();
      wire.loop.settle();
      return wire.seen().map(({ type, payload }) => [type, payload[0]!, payload[4 + 2]!, payload[4 + 523]!]);
    };
    assert.deepEqual(events(), [], "nothing has changed");
    devices.push(new HeldDevice());
    const seen = [events()];
    wire.receive(attach(2, "1-1"));
    wire.seen();
    seen.push(events());
    devices.pop();
    seen.push(events());
    const { DeviceEvent } = MessageType;
    const [one, two] = [0x31, 0x32];
    assert.deepEqual(
      seen,
      flags === 0
        ? [[], [], []]
        : [
            [[DeviceEvent, EventKind.ADDED, two, 0]],
            [[DeviceEvent, EventKind.CHANGED, one, 1]],
            [[DeviceEvent, EventKind.REMOVED, two, 0]],
          ],
    );
  }
});

test("many devices are attached over one connection, each with a handle of its own", () => {
  const wire = new HostedWire(WSLUSB_LIMITS, [new HeldDevice(), new HeldDevice()]);
  wire.receive(CLIENT_HELLO, attach(1, "1-1"), attach(2, "1-2"), attach(3, "1-2"), attach(4, "1-9"));
  const [, first, second, busy, none] = wire.seen();
  assert.deepEqual(
    [first!.payload.subarray(260, 264), second!.payload.subarray(260, 264)],
    [words(1), words(2)],
  );
  assert.deepEqual(first!.payload.subarray(272), wire.devices[0]!.descriptors);
  assert.deepEqual([busy!.payload[0], none!.payload[0]], [Status.BUSY, Status.NOT_FOUND]);
  wire.receive(
    frame(URB, 10, request({ device: 1, length: 5 })),
    frame(URB, 11, request({ device: 2, length: 6 })),
  );
  assert.deepEqual(
    wire.devices.map(({ held }) => held.map(({ length }) => length)),
    [[5], [6]],
  );
});

test("a device that refuses, and one beyond the limit, are refused", () => {
  const refusing = new HeldDevice();
  refusing.refusal = { reason: "denied", message: "the system says no" };
  const wire = new HostedWire({ ...WSLUSB_LIMITS, devices: 1 }, [
    refusing,
    new HeldDevice(),
    new HeldDevice(),
  ]);
  wire.receive(CLIENT_HELLO, attach(1, "1-1"), attach(2, "1-2"), attach(3, "1-3"));
  assert.deepEqual(
    wire
      .seen()
      .slice(1)
      .map(({ sequence, payload }) => [sequence, payload[0]]),
    [
      [1, Status.DENIED],
      [2, Status.OK],
      [3, Status.TOO_MANY],
    ],
  );
  assert.deepEqual(wire.refused, [refusing.refusal]);
});

test("a request becomes a URB, and its end the response", () => {
  const wire = new HostedWire().attached();
  const [device] = wire.devices;
  wire.receive(frame(URB, 5, request({ endpoint: 0x81, length: 100, flags: 1 })));
  const [urb] = device!.held;
  assert.deepEqual([urb!.endpoint, urb!.type, urb!.length, urb!.flags], [0x81, 2, 100, 1]);
  device!.finish(urb!, TransferStatus.ok, Uint8Array.of(1, 2, 3));
  wire.loop.settle();
  const [answer] = wire.seen();
  assert.deepEqual(results([answer!]), [[5, 0, 3]]);
  assert.deepEqual(answer!.payload.subarray(24), Uint8Array.of(1, 2, 3));
});

test("OUT data arrives in whatever frames it comes, mixed with other messages", () => {
  const wire = new HostedWire().attached();
  const data = Uint8Array.from({ length: 3_000 }, (_, i) => i % 251);
  const whole = request({ endpoint: 0x01, data });
  wire.receive(
    frame(URB, 5, whole.subarray(0, 1_000), FrameFlag.MORE),
    frame(URB, 6, request({ endpoint: 0x82, type: 3, length: 8 })),
    frame(URB, 5, whole.subarray(1_000, 1_001), FrameFlag.MORE),
    frame(URB, 5, whole.subarray(1_001)),
  );
  const [device] = wire.devices;
  assert.deepEqual(
    device!.held.map(({ endpoint }) => endpoint),
    [0x82, 0x01],
  );
  assert.deepEqual(device!.payloads.at(-1), data);
});

test("a client that asks a thousand times in one read is sent away before all is answered", () => {
  const devices = Array.from({ length: 50 }, () => new HeldDevice());
  const wire = new HostedWire({ ...WSLUSB_LIMITS, looseBytes: 100_000 }, devices);
  wire.receive(CLIENT_HELLO);
  wire.seen();
  wire.isStuck = true;
  const questions = Array.from({ length: 1_000 }, (_, i) =>
    frame(MessageType.DeviceEnumeration, i + 1, words(0)),
  );
  wire.receive(...questions);
  assert.equal(wire.ended?.code, "PEER_NOT_READING");
  assert.match(wire.ended.message, /^1\d{5} bytes/, "no more than one answer beyond the limit");
});

test("a request that the client gives up half-way is forgotten", () => {
  const wire = new HostedWire().attached();
  const whole = request({ endpoint: 0x01, data: new Uint8Array(3_000) });
  wire.receive(
    frame(URB, 5, whole.subarray(0, 1_000), FrameFlag.MORE),
    frame(URB, 5, new Uint8Array(0), FrameFlag.ABANDONED),
    frame(URB, 5, request({ length: 9 })),
    frame(URB, 6, request({ endpoint: 0x0f, data: new Uint8Array(100) }).subarray(0, 50), FrameFlag.MORE),
    frame(URB, 6, new Uint8Array(0), FrameFlag.ABANDONED),
  );
  assert.deepEqual(
    wire.devices[0]!.held.map(({ length }) => length),
    [9],
  );
  assert.equal(wire.handles[0]!.counters.read().inFlight, 1);
  assert.deepEqual(wire.seen(), []);
});

test("IN data beyond a frame leaves in several", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request({ endpoint: 0x82, type: 3, length: 200_000 })));
  const [device] = wire.devices;
  const data = Uint8Array.from({ length: 200_000 }, (_, i) => i % 253);
  device!.finish(device!.held[0]!, TransferStatus.ok, data);
  wire.loop.settle();
  const frames = wire.seen();
  assert.deepEqual(
    frames.map(({ payload, reserved }) => [payload.length, reserved]),
    [
      [MAX_PAYLOAD, 1],
      [MAX_PAYLOAD, 1],
      [MAX_PAYLOAD, 1],
      [200_024 - 3 * MAX_PAYLOAD, 0],
    ],
  );
  assert.deepEqual(Buffer.concat(frames.map(({ payload }) => payload)).subarray(24), Buffer.from(data));
});

test("isochronous packets are moved together, each with its own end", () => {
  const wire = new HostedWire().attached();
  const packets = [
    [0, 100],
    [100, 100],
  ] as const;
  wire.receive(frame(URB, 5, request({ endpoint: 0x83, type: 1, length: 200, packets })));
  const [urb] = wire.devices[0]!.held;
  urb!.buffer.fill(7, urb!.offset, urb!.offset + 2);
  urb!.buffer.fill(8, urb!.offset + 100, urb!.offset + 103);
  urb!.packets.set([2, TransferStatus.ok], 2);
  urb!.packets.set([3, TransferStatus.crc], 6);
  wire.devices[0]!.finish(urb!);
  wire.loop.settle();
  const [answer] = wire.seen();
  const right = [words(0, 5, 0, 1, 2, 0, 2, Status.OK, 3, Status.CRC), Uint8Array.of(7, 7, 8, 8, 8)];
  assert.deepEqual(answer!.payload, Uint8Array.from(Buffer.concat(right)));
});

test("every packet of a transfer that fails as a whole counts as failed", () => {
  const wire = new HostedWire().attached();
  const packets = [
    [0, 100],
    [100, 100],
  ] as const;
  const isochronous = { endpoint: 0x83, type: 1, length: 200, packets };
  wire.receive(frame(URB, 5, request(isochronous)), frame(CANCEL, 6, words(5)));
  wire.receive(frame(URB, 7, request({ ...isochronous, endpoint: 0x84 })));
  wire.receive(frame(URB, 8, request({ ...isochronous, length: 150 })));
  const failed = [0, Status.NOT_DONE, 0, Status.NOT_DONE];
  assert.deepEqual(
    wire
      .seen()
      .filter(({ type }) => type === RESPONSE)
      .map(({ payload }) => payload),
    [
      words(Status.CANCELLED, 0, 0, 2, 2, 0, ...failed),
      words(Status.STALL, 0, 0, 2, 2, 0, ...failed),
      words(Status.INVALID, 0, 0, 2, 2, 0, ...failed),
    ],
  );
});

test("what cannot be carried out is answered, and what belongs to it is read", () => {
  const wire = new HostedWire().attached();
  wire.receive(
    frame(URB, 1, request({ endpoint: 0x0f, data: new Uint8Array(100) })),
    frame(URB, 2, request({ endpoint: 0x81, type: 3, length: 8 })),
    frame(URB, 3, request({ endpoint: 0x83, type: 1, length: 9, packets: [[4, 100]] })),
    frame(
      URB,
      4,
      request({ endpoint: 0x00, type: 0, setup: "80 06 00 01 00 00 12 00", data: new Uint8Array(18) }),
    ),
    frame(URB, 5, request({ length: 7 })),
  );
  assert.deepEqual(
    results(wire.seen()).toSorted(([a], [b]) => a! - b!),
    [
      [1, Status.STALL, 0],
      [2, Status.INVALID, 0],
      [3, Status.INVALID, 0],
      [4, Status.INVALID, 0],
    ],
  );
  assert.deepEqual(
    wire.devices[0]!.held.map(({ length }) => length),
    [7],
  );
});

test("beyond the URBs or the memory of a device a request is answered with no memory", () => {
  const wire = new HostedWire({ ...WSLUSB_LIMITS, urbs: 2, bytes: 1 << 20 }).attached();
  wire.receive(frame(URB, 1, request({ length: 2 << 20 })));
  for (let i = 2; i < 5; i++) wire.receive(frame(URB, i, request({ length: 8 })));
  assert.deepEqual(results(wire.seen()), [
    [1, Status.NO_MEMORY, 0],
    [4, Status.NO_MEMORY, 0],
  ]);
});

test("a device keeps its reserve while another has all that is shared", () => {
  const limits = { ...WSLUSB_LIMITS, totalBytes: 4 << 20, reserve: 64 << 10 };
  const wire = new HostedWire(limits, [new HeldDevice(), new HeldDevice()]);
  wire.receive(CLIENT_HELLO, attach(1, "1-1"), attach(2, "1-2"));
  wire.seen();
  for (let i = 10; i < 20; i++) wire.receive(frame(URB, i, request({ device: 1, length: 1 << 20 })));
  assert.ok(results(wire.seen()).length > 0, "the first one is at its limit");
  wire.receive(frame(URB, 30, request({ device: 2, endpoint: 0x82, type: 3, length: 8 })));
  assert.equal(wire.devices[1]!.held.length, 1);
  assert.deepEqual(wire.seen(), []);
});

test("a cancel is answered, and so is its URB", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request()), frame(CANCEL, 6, words(5)), frame(CANCEL, 7, words(99)));
  assert.deepEqual(results(wire.seen().filter(({ type }) => type === RESPONSE)), [[5, Status.CANCELLED, 0]]);
  wire.receive(frame(CANCEL, 8, words(5)));
  assert.deepEqual(shapes(wire.seen()), [[CANCEL, 8, 8]]);
});

test("cancel answers say whether there was something to cancel", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request()), frame(CANCEL, 6, words(5)), frame(CANCEL, 7, words(99)));
  const answers = wire.seen().filter(({ type }) => type === CANCEL);
  assert.deepEqual(
    answers.map(({ sequence, payload }) => [sequence, payload]),
    [
      [6, words(5, Status.OK)],
      [7, words(99, Status.NOT_FOUND)],
    ],
  );
});

test("a reset ends the URBs first, and tells how it went", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(MessageType.DeviceReset, 6, words(1)), frame(MessageType.DeviceReset, 7, words(1)));
  assert.deepEqual(wire.seen()[0]!.payload, words(1, Status.BUSY));
  wire.devices[0]!.resets[0]!(TransferStatus.ok);
  wire.loop.settle();
  assert.deepEqual(
    wire.seen().map(({ sequence, payload }) => [sequence, payload]),
    [[6, words(1, Status.OK)]],
  );
});

test("nothing of a device follows the answer to its detach, and its handle stays unused", () => {
  const wire = new HostedWire().attached();
  wire.receive(
    frame(URB, 5, request()),
    frame(MessageType.DeviceDetach, 6, words(1)),
    frame(URB, 7, request({ endpoint: 0x01, data: new Uint8Array(10) })),
    frame(CANCEL, 8, words(5)),
    attach(9, "1-1"),
  );
  assert.deepEqual(
    wire
      .seen()
      .map(({ type, sequence, payload }) => [type, sequence, payload.length > 8 ? payload[260] : payload[4]]),
    [
      [MessageType.DeviceDetach, 6, Status.OK],
      [CANCEL, 8, Status.NOT_FOUND],
      [MessageType.DeviceAttach, 9, 2],
    ],
  );
  assert.deepEqual(wire.ends, ["detached"]);
});

test("a device that is unplugged is taken back, ahead of what it had to say", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request()));
  wire.devices[0]!.unplug();
  wire.loop.settle();
  assert.deepEqual(
    wire.seen().map(({ type, sequence, payload }) => [type, sequence, payload]),
    [[MessageType.DeviceDetach, 0, words(1, Status.DISCONNECTED)]],
  );
  assert.deepEqual(wire.ends, ["unplugged"]);
});

test("a host that takes a device back says so, and half a response is given up", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request({ length: 200_000 })));
  const [device] = wire.devices;
  device!.finish(device!.held[0]!);
  wire.loop.settle();
  assert.ok(
    wire.seen().every(({ reserved }) => reserved === FrameFlag.MORE),
    "the credit is used up",
  );
  wire.handles[0]!.takeBack();
  wire.loop.settle();
  assert.deepEqual(
    wire.seen().map(({ type, reserved, payload }) => [type, reserved, payload.length]),
    [
      [RESPONSE, FrameFlag.ABANDONED, 0],
      [MessageType.DeviceDetach, 0, 8],
    ],
  );
  assert.deepEqual(wire.ends, ["taken back"]);
});

test("bulk data stops at the client's credit, and a keyboard's does not", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(URB, 5, request({ length: 200_000 })));
  const [device] = wire.devices;
  device!.finish(device!.held[0]!);
  wire.loop.settle();
  const sent = wire.seen().reduce((sum, { payload }) => sum + payload.length, 0);
  assert.equal(sent, MAX_PAYLOAD, "all of its credit but 16 bytes");
  wire.receive(frame(URB, 6, request({ endpoint: 0x82, type: 3, length: 8 })));
  device!.finish(device!.held[0]!);
  wire.loop.settle();
  assert.deepEqual(results(wire.seen()), [[6, 0, 8]]);
  wire.receive(frame(MessageType.Credit, 0, words(1, 40_000)));
  assert.equal(
    wire.seen().reduce((sum, { payload }) => sum + payload.length, 0),
    40_016,
  );
  wire.receive(frame(MessageType.Credit, 0, words(1, 65_537)));
  assert.equal(wire.ended?.code, "BAD_FIELD");
});

function out(sequence: number): Uint8Array {
  return frame(URB, sequence, request({ endpoint: 0x01, data: new Uint8Array(30_000) }));
}

test("the credit that a client has used up comes back", () => {
  const wire = new HostedWire({ ...WSLUSB_LIMITS, credit: 128 << 10 }).attached();
  wire.receive(out(1));
  assert.deepEqual(wire.seen(), []);
  wire.receive(out(2));
  assert.deepEqual(
    wire.seen().map(({ type, payload }) => [type, payload]),
    [[MessageType.Credit, words(1, 60_080)]],
  );
});

test("a URB is traced when its answer has left, with the times of its life", () => {
  const wire = new HostedWire();
  const urbs = new UrbTrace();
  wire.trace = { urbs, session: 9 };
  wire.attached();
  const [device] = wire.devices as [HeldDevice];
  wire.isStuck = true;
  wire.loop.advance(5);
  wire.receive(
    frame(URB, 7, request({ endpoint: 0x81, length: 64 })),
    frame(URB, 8, request({ endpoint: 0x81, length: 64 })),
  );
  wire.loop.advance(2);
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(3));
  wire.loop.settle();
  assert.deepEqual(urbs.read(), []);
  wire.loop.advance(4);
  wire.unstick();
  const urb = { session: 9, seqnum: 7, endpoint: 0x81, status: TransferStatus.stall, actualLength: 3 };
  const life = { ...urb, arrivedMs: 5, completedMs: 7, leftMs: 11 };
  assert.deepEqual(urbs.read(), [life]);
  // The end of the other one is told by nothing that leaves.
  wire.receive(frame(MessageType.DeviceDetach, 9, words(1)));
  assert.deepEqual(urbs.read(), [life]);
});

test("a client that sends beyond its credit is sent away", () => {
  const wire = new HostedWire({ ...WSLUSB_LIMITS, credit: 64 << 10 }).attached();
  const whole = request({ endpoint: 0x01, data: new Uint8Array(70_000) });
  const frames = [
    frame(URB, 1, whole.subarray(0, MAX_PAYLOAD), FrameFlag.MORE),
    frame(URB, 1, whole.subarray(MAX_PAYLOAD)),
  ];
  for (const bytes of frames) wire.receive(bytes);
  assert.equal(wire.ended, undefined, "it may have had credit between the two");
  const flood = new HostedWire({ ...WSLUSB_LIMITS, credit: 64 << 10 }).attached();
  flood.receive(...frames);
  assert.equal(flood.ended?.code, "FLOOD", "but not in the middle of what came at once");
});

function read(sequence: number, length: number): Uint8Array {
  return frame(URB, sequence, request({ length }));
}

test("the bytes that a Hello promises are there, to the last one", () => {
  const wire = new HostedWire({ ...WSLUSB_LIMITS, bytes: 3 * 65_536 }).attached();
  wire.receive(read(1, 65_536), read(2, 65_536), read(3, 65_535), read(4, 1), read(5, 1));
  assert.deepEqual(results(wire.seen()), [[5, Status.NO_MEMORY, 0]]);
  assert.equal(wire.devices[0]!.held.length, 4);
});

test("all devices together have their reserves and what the connection has, in pieces of any size", () => {
  const limits = { ...WSLUSB_LIMITS, urbs: 64, totalBytes: 65_536, reserve: 4_096, devices: 2 };
  for (const length of [1, 128, 129, 2_009, 4_057, 4_096, 65_497]) {
    const wire = new HostedWire(limits, [new HeldDevice(), new HeldDevice()]);
    wire.receive(CLIENT_HELLO, attach(1, "1-1"), attach(2, "1-2"));
    const each = Math.min(Math.floor((limits.reserve + limits.totalBytes / 2) / length), limits.urbs);
    for (const [i, device] of [1, 2].entries()) {
      for (let n = 0; n < each; n++) wire.receive(frame(URB, 100 * i + n + 3, request({ device, length })));
    }
    assert.deepEqual(
      wire.devices.map(({ held }) => held.length),
      [each, each],
      `${length} bytes each`,
    );
  }
});

function poll(sequence: number): Uint8Array {
  return frame(URB, sequence, request({ endpoint: 0x82, type: 3, length: 8 }));
}

test("what comes behind a reset ends as cancelled, and the reset is answered", () => {
  const wire = new HostedWire().attached();
  const [device] = wire.devices;
  wire.receive(poll(1));
  wire.receive(frame(MessageType.DeviceReset, 2, words(1)), poll(3));
  assert.deepEqual(results(wire.seen()), [[3, Status.CANCELLED, 0]]);
  device!.resets[0]!(TransferStatus.ok);
  wire.loop.settle();
  assert.deepEqual(shapes(wire.seen()).at(-1), [MessageType.DeviceReset, 2, 8]);
  wire.receive(poll(4));
  assert.ok(!results(wire.seen()).some(([sequence]) => sequence === 4), "it works again");
});

test("a host that ends says so, and gives its devices back at once", () => {
  const wire = new HostedWire().attached();
  wire.host.leave(new ProtocolError("ENDED", "this host stopped"));
  const [error, ...more] = wire.seen();
  assert.deepEqual(more, []);
  assert.equal(ErrorMessage.status(error!.payload, 0), Status.ENDED);
  assert.equal(ErrorMessage.message(error!.payload, 0), "ENDED: this host stopped");
  assert.deepEqual([wire.ends, wire.ended?.code], [["disconnected"], "ENDED"]);
});

const WRONG: readonly (readonly [string, string, readonly Uint8Array[]])[] = [
  ["a second Hello", "BAD_COMMAND", [CLIENT_HELLO]],
  ["a type that does not exist", "BAD_COMMAND", [frame(99, 0, words(0))]],
  ["a type of the host", "BAD_COMMAND", [frame(RESPONSE, 0, words(0, 0, 0, 0, 0, 0))]],
  ["a request that is in flight", "DUPLICATE_SEQNUM", [frame(URB, 5, request()), frame(URB, 5, request())]],
  ["a device that never was", "BAD_DEVICE", [frame(URB, 5, request({ device: 2 }))]],
  ["device 0", "BAD_DEVICE", [frame(MessageType.DeviceDetach, 5, words(0))]],
  ["half a request", "BAD_LENGTH", [frame(URB, 5, request().subarray(0, 39))]],
  ["half a packet table", "BAD_LENGTH", [frame(URB, 5, request({ packets: [[0, 1]] }).subarray(0, 44))]],
  ["too much behind a request", "BAD_LENGTH", [frame(URB, 5, Buffer.concat([request(), words(0)]))]],
  ["less than it says", "BAD_LENGTH", [frame(URB, 5, request({ endpoint: 1, length: 9 }))]],
  ["a transfer above the limit", "BAD_LENGTH", [frame(URB, 5, request({ length: (16 << 20) + 1 }))]],
  ["an endpoint that cannot be", "BAD_FIELD", [frame(URB, 5, request({ endpoint: 0x91 }))]],
  ["a transfer type that cannot be", "BAD_FIELD", [frame(URB, 5, request({ type: 4 }))]],
  ["a flag that does not exist", "BAD_FIELD", [frame(CANCEL, 5, words(1), 4)]],
  ["an empty frame that promises more", "BAD_FIELD", [frame(URB, 5, new Uint8Array(0), 1)]],
  ["an end of what was not begun", "BAD_FIELD", [frame(URB, 5, new Uint8Array(0), 2)]],
  ["a list request that is too long", "BAD_LENGTH", [frame(1, 5, words(0, 0))]],
  ["a request without a number", "BAD_FIELD", [frame(1, 0, words(0))]],
  ["a URB without a number", "BAD_FIELD", [frame(URB, 0, request())]],
  ["a name without an end", "BAD_FIELD", [frame(2, 5, new Uint8Array(256).fill(0x7a))]],
];

for (const [what, code, frames] of WRONG) {
  test(`${what} ends the connection with ${code}, told in an Error frame`, () => {
    const wire = new HostedWire().attached();
    wire.receive(...frames);
    assert.equal(wire.ended?.code, code);
    const last = wire.seen().at(-1)!;
    assert.equal(last.type, MessageType.Error);
    assert.match(ErrorMessage.message(last.payload, 0), new RegExp(`^${code}: `));
  });
}

test("a payload_size above 64 KiB is refused before anything is taken", () => {
  const wire = new HostedWire();
  wire.receive(words(7, MAX_PAYLOAD + 1, 0, 0));
  assert.equal(wire.ended?.code, "BAD_LENGTH");
});

test("messages that are begun and never ended are counted", () => {
  const wire = new HostedWire().attached();
  for (let i = 10; i < 1_100; i++) wire.receive(frame(URB, i, request({ endpoint: 0x01, length: 100 }), 1));
  assert.equal(wire.ended?.code, "FLOOD");
});

test("a silent client is asked, and given up after the limit", () => {
  const wire = new HostedWire().attached();
  wire.loop.advance(4_000);
  const [question] = wire.seen();
  assert.deepEqual([question?.type, question?.payload], [MessageType.KeepAlive, words(0)]);
  wire.receive(frame(MessageType.KeepAlive, question!.sequence, words(1)));
  wire.loop.advance(9_999);
  assert.ok(!isOver(wire));
  wire.loop.advance(1);
  assert.equal(wire.ended?.code, "PEER_SILENT");
  assert.equal(wire.loop.timers, 0);
});

test("a question whether the host is there is answered", () => {
  const wire = new HostedWire().attached();
  wire.receive(frame(MessageType.KeepAlive, 77, words(0)));
  assert.deepEqual(
    wire.seen().map(({ type, sequence, payload }) => [type, sequence, payload]),
    [[MessageType.KeepAlive, 77, words(1)]],
  );
});

test("a client that asks and never reads is sent away", () => {
  const wire = new HostedWire().attached();
  wire.isStuck = true;
  const questions = Buffer.concat(
    Array.from({ length: 1_000 }, (_, i) => frame(MessageType.DeviceEnumeration, i + 1, words(0))),
  );
  for (let i = 0; i < 10; i++) wire.receive(questions);
  assert.equal(wire.ended?.code, "PEER_NOT_READING");
});

test("when the connection is gone every device is given back", () => {
  const wire = new HostedWire(WSLUSB_LIMITS, [new HeldDevice(), new HeldDevice()]);
  wire.receive(CLIENT_HELLO, attach(1, "1-1"), attach(2, "1-2"), frame(URB, 5, request()));
  let closed = false;
  wire.host.disconnected(() => {
    closed = true;
  });
  assert.ok(closed);
  assert.deepEqual(wire.ends, ["disconnected", "disconnected"]);
  assert.equal(wire.loop.timers, 0);
});
