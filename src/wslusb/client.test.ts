import assert from "node:assert/strict";
import { test } from "node:test";
import { attachedAnswer, ClientWire } from "../../test/support/client-wire.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { frame, HOST_HELLO, response, words } from "../../test/support/wslusb-wire.ts";
import { TransferStatus } from "../usb/urb.ts";
import { AttachRefusal } from "./attach-answer.ts";
import type { WslusbDevice } from "./client-device.ts";
import { WSLUSB_LIMITS } from "./limits.ts";
import type { ListedDevice } from "./listed-device.ts";
import { AttachResponse, DeviceInfo, ErrorMessage, FrameFlag, Hello, MessageType } from "./messages.ts";
import { encodeInfo } from "./offered-device.ts";
import { Status } from "./status.ts";

const { UrbResponse: RESPONSE, UrbCancel: CANCEL, UrbRequest: URB } = MessageType;
const NONE = new Uint8Array(0);

const INFO = encodeInfo({
  busid: "1-1",
  description: "held",
  serial: undefined,
  device: new HeldDevice(),
  attached: false,
})!;

function attached(limits = WSLUSB_LIMITS): { wire: ClientWire; device: WslusbDevice } {
  const wire = new ClientWire(limits);
  const device = wire.attached();
  wire.seen();
  return { wire, device };
}

test("a client says Hello, and nothing more before it is answered", () => {
  const wire = new ClientWire();
  const [hello, ...more] = wire.seen();
  assert.deepEqual(more, []);
  assert.equal(hello?.type, MessageType.Hello);
  assert.deepEqual([Hello.version(hello.payload, 0), Hello.lowest_version(hello.payload, 0)], [2, 2]);
  wire.reply(HOST_HELLO);
  assert.ok(wire.isGreeted);
});

test("a host of version 1, or one that is told off, is an end with its reason", () => {
  const old = new ClientWire();
  old.reply(frame(MessageType.DeviceAttach, 0, new Uint8Array(256)));
  assert.equal(old.ended?.code, "BAD_VERSION");
  const refused = new ClientWire();
  const message = ErrorMessage.encode({ status: Status.BAD_VERSION, message: "speak \x1b[31mtwo" });
  refused.seen();
  refused.reply(frame(MessageType.Error, 0, message));
  assert.equal(refused.ended?.code, "BAD_VERSION");
  assert.match(refused.ended.message, /speak \?\[31mtwo$/);
  assert.deepEqual(refused.seen(), [], "an Error is not answered");
});

test("a list is read to its last byte", () => {
  const wire = new ClientWire();
  wire.reply(HOST_HELLO);
  let listed: readonly ListedDevice[] | undefined;
  wire.client.list(true, (devices) => {
    listed = devices;
  });
  const asked = wire.seen().at(-1)!;
  assert.deepEqual(asked.payload, words(1));
  const list = Buffer.concat([words(2), INFO, INFO]);
  // Lists may be long: in any frames.
  wire.reply(
    frame(MessageType.DeviceEnumeration, asked.sequence, list.subarray(0, 700), FrameFlag.MORE),
    frame(MessageType.DeviceEnumeration, asked.sequence, list.subarray(700)),
  );
  assert.deepEqual(
    listed?.map(({ instance_id, interfaces }) => [instance_id, interfaces.length]),
    [
      ["1-1", 1],
      ["1-1", 1],
    ],
  );
});

test("events are told, and kinds that are not known are passed over", () => {
  const wire = new ClientWire();
  wire.reply(HOST_HELLO);
  for (const kind of [1, 77, 2]) {
    wire.reply(frame(MessageType.DeviceEvent, 0, Buffer.concat([words(kind), INFO])));
  }
  assert.deepEqual(
    wire.events.map(([kind, { instance_id }]) => [kind, instance_id]),
    [
      [1, "1-1"],
      [2, "1-1"],
    ],
  );
});

test("a host that makes up devices without end is left", () => {
  const wire = new ClientWire();
  wire.reply(HOST_HELLO);
  for (let i = 0; i < 1_030; i++) {
    const info = INFO.slice();
    info.set(Buffer.from(`device-${i}`));
    wire.reply(frame(MessageType.DeviceEvent, 0, Buffer.concat([words(1), info])));
  }
  assert.equal(wire.ended?.code, "FLOOD");
  assert.equal(wire.events.length, 1_024);
});

test("a refused attach tells the host's words, made harmless", () => {
  const wire = new ClientWire();
  wire.reply(HOST_HELLO);
  let result: unknown;
  wire.client.attach("1-1", (answer) => {
    result = answer;
  });
  const message = AttachResponse.encode({ status: Status.DENIED, message: "no\x07" });
  wire.reply(frame(MessageType.DeviceAttach, wire.seen().at(-1)!.sequence, message));
  assert.ok(result instanceof AttachRefusal);
  assert.deepEqual([result.status, result.message], [Status.DENIED, "no?"]);
});

test("a device has what the host told of it", () => {
  const { device } = attached();
  assert.deepEqual(device.descriptors, new HeldDevice().descriptors);
  assert.deepEqual([device.speed, device.configuration, device.handle], [3, 1, 1]);
});

test("a response in several frames fills the URB", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x81, 100);
  const data = Uint8Array.from({ length: 90 }, (_, i) => i);
  const whole = response({ data });
  wire.reply(
    frame(RESPONSE, sequence, whole.subarray(0, 30), FrameFlag.MORE),
    frame(RESPONSE, sequence, whole.subarray(30)),
  );
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.ok, 90]]);
  assert.deepEqual(urb.buffer.subarray(0, 91), Uint8Array.of(...data, 0xbb));
});

test("packets are put at their places, each with its own end", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x83, 300, [
    [0, 100],
    [100, 100],
    [200, 100],
  ]);
  const packets = [
    [2, Status.OK],
    [0, Status.NOT_DONE],
    [1, 99 - 70],
  ] as const;
  wire.reply(frame(RESPONSE, sequence, response({ packets, data: Uint8Array.of(1, 2, 3), errorCount: 2 })));
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.ok, 3]]);
  assert.deepEqual([urb.buffer[0], urb.buffer[1], urb.buffer[200], urb.errorCount], [1, 2, 3, 2]);
  assert.deepEqual(
    [3, 7, 11].map((word) => urb.packets[word]),
    [TransferStatus.ok, TransferStatus.notDone, TransferStatus.protocol],
  );
});

/** A DeviceEvent whose `instance_id` has no end. */
const UNENDED = new Uint8Array(4 + DeviceInfo.size);
UNENDED[0] = 1;
UNENDED.fill(0x7a, 4, 4 + 256);

test("packets are counted again: a host that counts others is not believed", () => {
  const packets = [
    [0, Status.OK],
    [0, Status.CRC],
  ] as const;
  for (const [errorCount, code] of [
    [0, "BAD_FIELD"],
    [1, undefined],
    [2, "BAD_FIELD"],
  ] as const) {
    const { wire, device } = attached();
    const asked = [
      [0, 100],
      [100, 100],
    ] as const;
    const { sequence } = wire.submit(device, 0x83, 200, asked);
    wire.reply(frame(RESPONSE, sequence, response({ packets, errorCount })));
    assert.equal(wire.ended?.code, code, `${errorCount}`);
  }
});

const WRONG: readonly (readonly [string, string, (sequence: number) => Uint8Array])[] = [
  [
    "more than was asked for",
    "BAD_LENGTH",
    (s) => frame(RESPONSE, s, response({ data: new Uint8Array(201) })),
  ],
  ["less than it says", "BAD_LENGTH", (s) => frame(RESPONSE, s, response({ transferred: 5 }))],
  [
    "more than it says",
    "BAD_LENGTH",
    (s) => frame(RESPONSE, s, response({ transferred: 1, data: words(1) })),
  ],
  [
    "packets that were not asked for",
    "BAD_LENGTH",
    (s) => frame(RESPONSE, s, response({ numberOfPackets: 1 })),
  ],
  ["a name in a list that does not end", "BAD_FIELD", () => frame(MessageType.DeviceEvent, 0, UNENDED)],
  ["errors without packets", "BAD_FIELD", (s) => frame(RESPONSE, s, response({ errorCount: 1 }))],
  ["a status of no transfer", "BAD_FIELD", (s) => frame(RESPONSE, s, response({ status: Status.BUSY }))],
  ["an answer to nothing", "UNKNOWN_SEQNUM", (s) => frame(RESPONSE, s + 1, response())],
  ["a cancel that was not asked for", "UNKNOWN_SEQNUM", (s) => frame(CANCEL, s + 1, words(s, 0))],
  ["an answer of another type", "UNKNOWN_SEQNUM", (s) => frame(CANCEL, s, words(s, 0))],
  ["a request", "UNKNOWN_SEQNUM", (s) => frame(URB, s, new Uint8Array(40))],
  ["credit that was not used up", "BAD_FIELD", () => frame(MessageType.Credit, 0, words(1, 1_000_000))],
  ["credit for another device", "BAD_DEVICE", () => frame(MessageType.Credit, 0, words(2, 1))],
  ["an end of another device", "BAD_DEVICE", () => frame(MessageType.DeviceDetach, 0, words(2, 3))],
];

for (const [what, code, wrong] of WRONG) {
  test(`${what}: ${code}, and the URB was not touched`, () => {
    const { wire, device } = attached();
    const { urb, sequence } = wire.submit(device, 0x81, 200);
    wire.reply(wrong(sequence));
    assert.equal(wire.ended?.code, code);
    assert.equal(wire.seen().at(-1)?.type, MessageType.Error);
    wire.client.disconnected();
    assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.disconnected, 0]]);
    assert.equal(wire.unplugs, 1);
    assert.equal(wire.loop.timers, 0);
  });
}

test("a packet that claims more than its length, and a sum that is wrong, end the connection", () => {
  for (const [packets, data] of [
    [[[101, 0]] as const, new Uint8Array(101)],
    [[[5, 0]] as const, new Uint8Array(6)],
  ] as const) {
    const { wire, device } = attached();
    const { sequence, urb } = wire.submit(device, 0x83, 200, [[0, 100]]);
    wire.reply(frame(RESPONSE, sequence, response({ packets, data })));
    assert.equal(wire.ended?.code, "BAD_LENGTH");
    assert.equal(urb.packets[2], 0);
  }
});

test("a device that is given again under its handle is no device", () => {
  const { wire } = attached();
  wire.client.attach("1-2", () => {});
  wire.reply(frame(MessageType.DeviceAttach, wire.seen().at(-1)!.sequence, attachedAnswer(1)));
  assert.equal(wire.ended?.code, "BAD_DEVICE");
});

test("a cancelled URB ends with its response, and the answer to the cancel changes nothing", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x81, 100);
  device.cancel(urb);
  device.cancel(urb);
  device.flush();
  const asked = wire.seen();
  assert.deepEqual(
    asked.map(({ type, payload }) => [type, payload]),
    [[CANCEL, words(sequence)]],
  );
  wire.reply(frame(CANCEL, asked[0]!.sequence, words(sequence, Status.OK)));
  assert.deepEqual(wire.completions, []);
  const bytes = Uint8Array.of(1, 2);
  wire.reply(frame(RESPONSE, sequence, response({ status: Status.CANCELLED, data: bytes })));
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.cancelled, 2]]);
});

test("a silent host delays a cancel by less than a second, and may answer later", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x81, 100);
  device.cancel(urb);
  device.flush();
  wire.loop.advance(699);
  assert.deepEqual(wire.completions, []);
  wire.loop.advance(2);
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.cancelled, 0]]);
  urb.buffer.fill(0xcc);
  wire.reply(frame(RESPONSE, sequence, response({ data: new Uint8Array(100).fill(9) })));
  assert.equal(wire.ended, undefined);
  assert.ok(urb.buffer.every((byte) => byte === 0xcc));
  assert.equal(wire.completions.length, 1);
});

test("a host that owes too many answers is left", () => {
  const { wire, device } = attached({ ...WSLUSB_LIMITS, urbs: 10, silenceMs: 1e9 });
  for (let round = 0; round < 10; round++) {
    const urbs = Array.from({ length: 10 }, () => wire.submit(device, 0x81, 10).urb);
    for (const urb of urbs) device.cancel(urb);
    wire.loop.advance(800);
  }
  assert.equal(wire.ended?.code, "PEER_SILENT");
});

test("a request that has not left is cancelled without a word", () => {
  const { wire, device } = attached();
  // The host of the test gives a credit of 64 KiB, and no more.
  const first = wire.submit(device, 0x01, 60_000).urb;
  const second = wire.submit(device, 0x01, 60_000).urb;
  device.cancel(second);
  device.flush();
  wire.loop.settle();
  assert.deepEqual(wire.completions, [[second.tag, TransferStatus.cancelled, 0]]);
  assert.deepEqual(wire.seen(), []);
  device.cancel(first);
  assert.deepEqual(
    wire.seen().map(({ type }) => type),
    [CANCEL],
  );
});

test("a request that has left in part is given up with an abandoned frame", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x01, 200_000);
  device.cancel(urb);
  device.flush();
  assert.deepEqual(
    wire.seen().map(({ type, sequence: of, reserved, payload }) => [type, of, reserved, payload]),
    [[URB, sequence, FrameFlag.ABANDONED, NONE]],
  );
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.cancelled, 0]]);
  wire.reply(frame(RESPONSE, sequence, response()));
  assert.equal(wire.ended?.code, "UNKNOWN_SEQNUM", "the host has not seen all of it");
});

test("a response before the whole request has left is no response", () => {
  const { wire, device } = attached();
  const { sequence } = wire.submit(device, 0x01, 200_000);
  wire.reply(frame(RESPONSE, sequence, response()));
  assert.equal(wire.ended?.code, "UNKNOWN_SEQNUM");
});

test("a device that the host takes back is unplugged, after its URBs", () => {
  const { wire, device } = attached();
  const { urb } = wire.submit(device, 0x81, 100);
  wire.reply(frame(MessageType.DeviceDetach, 0, words(1, Status.DISCONNECTED)));
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.disconnected, 0]]);
  assert.equal(wire.unplugs, 1);
  assert.ok(device.isGone);
  device.open(wire, wire.loop, (refused) => assert.equal(refused?.reason, "gone"));
});

test("answers that cross a detach are no harm", () => {
  const { wire, device } = attached();
  const { urb, sequence } = wire.submit(device, 0x81, 100);
  let isFree = false;
  device.detach(() => {
    isFree = true;
  });
  const [asked] = wire.seen();
  assert.deepEqual([asked?.type, asked?.payload], [MessageType.DeviceDetach, words(1)]);
  assert.deepEqual(wire.completions, [[urb.tag, TransferStatus.disconnected, 0]]);
  wire.reply(
    frame(RESPONSE, sequence, response({ data: words(1) })),
    frame(MessageType.Credit, 0, words(1, 10)),
    frame(MessageType.DeviceDetach, 0, words(1, Status.DISCONNECTED)),
    frame(MessageType.DeviceDetach, asked!.sequence, words(1, Status.OK)),
  );
  assert.ok(isFree);
  assert.equal(wire.ended, undefined);
});

test("a reset is a request of its own, and a silent host ends it", () => {
  const { wire, device } = attached();
  const results: number[] = [];
  device.reset((status) => results.push(status));
  const [asked] = wire.seen();
  wire.reply(frame(MessageType.DeviceReset, asked!.sequence, words(1, Status.OK)));
  assert.equal(device.configuration, 0);
  device.reset((status) => results.push(status));
  wire.loop.advance(5_001);
  assert.deepEqual(results, [TransferStatus.ok, TransferStatus.timeout]);
});

test("an answer for another device than was asked about ends the connection", () => {
  const asking: readonly ((device: WslusbDevice) => void)[] = [
    (device) => device.reset(() => {}),
    (device) => device.detach(() => {}),
  ];
  for (const ask of asking) {
    const { wire, device } = attached();
    ask(device);
    const [asked] = wire.seen();
    wire.reply(frame(asked!.type, asked!.sequence, words(2, Status.OK)));
    assert.equal(wire.ended?.code, "BAD_FIELD");
  }
});

test("a host that answers beyond the credit in one breath is found out", () => {
  const { wire, device } = attached({ ...WSLUSB_LIMITS, credit: 64 << 10 });
  const answers = [1, 2].map(() => {
    const { sequence } = wire.submit(device, 0x81, 40_000);
    return frame(RESPONSE, sequence, response({ data: new Uint8Array(40_000) }));
  });
  wire.reply(...answers);
  assert.equal(wire.ended?.code, "FLOOD");
});

test("bulk data that was read gives the host new credit", () => {
  const { wire, device } = attached({ ...WSLUSB_LIMITS, credit: 64 << 10 });
  const { sequence } = wire.submit(device, 0x81, 50_000);
  wire.reply(frame(RESPONSE, sequence, response({ data: new Uint8Array(50_000) })));
  assert.deepEqual(
    wire.seen().map(({ type, payload }) => [type, payload]),
    [[MessageType.Credit, words(1, 50_024)]],
  );
  const next = wire.submit(device, 0x82, 60_000).sequence;
  wire.reply(frame(RESPONSE, next, response({ data: new Uint8Array(60_000) })));
  assert.deepEqual(wire.seen(), [], "an interrupt transfer costs none");
});

test("a serial number is read from the device", () => {
  const { wire, device } = attached();
  let serial: string | undefined;
  device.readSerialNumber((text) => {
    serial = text;
  });
  assert.equal(serial, "", "it has none");
  assert.deepEqual(wire.seen(), []);
});

test("what is asked when the connection ends is told, and what is asked later, too", () => {
  const { wire } = attached();
  const answers: unknown[] = [];
  wire.client.list(false, (devices) => answers.push(devices));
  wire.client.attach("1-2", (device) => answers.push(device));
  wire.client.disconnected();
  wire.client.list(false, (devices) => answers.push(devices));
  wire.loop.settle();
  assert.deepEqual(answers, [undefined, undefined, undefined]);
});
