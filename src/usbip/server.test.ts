import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { IMPORT, ServedWire, submit } from "../../test/support/usbip-wire-client.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { DeviceListRequest, type ListedDevice } from "./device-list.ts";
import type { ExportedDevice } from "./exports.ts";
import { UsbipServer } from "./server.ts";

const DEVLIST = annotatedHex("0111 8005 00000000");

function exportOf(device: HeldDevice, attached = false): ExportedDevice {
  return { busid: "1-2", path: "/held", busnum: 1, devnum: 2, device, attached };
}

function wireTo(...devices: readonly ExportedDevice[]): ServedWire {
  return new ServedWire({
    devices: () => devices,
    find: (busid) => devices.find((exported) => exported.busid === busid),
  });
}

function code(wire: ServedWire): string {
  return wire.ended instanceof ProtocolError ? wire.ended.code : String(wire.ended);
}

const RECORD = toHex(
  annotatedHex(`
  2f68656c64000000 ${"00".repeat(248)}                                  path
  312d320000000000 0000000000000000 0000000000000000 0000000000000000  busid
  00000001  busnum
  00000002  devnum
  00000003  speed
  1209      idVendor
  0001      idProduct
  0100      bcdDevice
  ff        bDeviceClass
  00        bDeviceSubClass
  00        bDeviceProtocol
  01        bConfigurationValue
  01        bNumConfigurations
  01        bNumInterfaces
`),
);

test("a list names each device with its interfaces", () => {
  const wire = wireTo(exportOf(new HeldDevice()));
  wire.send(DEVLIST);
  assert.equal(wire.received(), `011100050000000000000001${RECORD}ff000000`);
});

test("a list stays readable behind a device with more interfaces than can be counted", () => {
  const device = new HeldDevice();
  const configuration = [0x09, 0x02, 9 + 9 * 300, (9 + 9 * 300) >> 8, 44, 1, 0, 0x80, 50];
  const interfaces = Array.from({ length: 300 }, (_, i) => [9, 4, i & 0xff, 0, 0, 0xff, 0, 0, 0]);
  const descriptors = Uint8Array.from([
    ...device.descriptors.subarray(0, 18),
    ...configuration,
    ...interfaces.flat(),
  ]);
  Object.defineProperty(device, "descriptors", { value: descriptors });
  const lists: (readonly ListedDevice[] | ProtocolError)[] = [];
  const request = new DeviceListRequest((list) => lists.push(list));
  const wire = wireTo(exportOf(device), exportOf(new HeldDevice()));
  wire.send(DEVLIST);
  request.receive(Buffer.from(wire.received(), "hex"));
  const [list] = lists;
  assert.ok(Array.isArray(list));
  assert.deepEqual(
    list.map(({ interfaces: { length } }: ListedDevice) => length),
    [255, 1],
  );
});

test("a list leaves out devices that are attached", () => {
  const wire = wireTo(exportOf(new HeldDevice(), true));
  wire.send(DEVLIST);
  assert.equal(wire.received(), "011100050000000000000000");
});

test("a second request on the same connection is answered", () => {
  const wire = wireTo(exportOf(new HeldDevice()));
  wire.send(DEVLIST, IMPORT);
  assert.equal(wire.server.phase, "urbs");
  assert.ok(wire.received().endsWith(`0111000300000000${RECORD}`));
});

test("an import is answered with the device and opens it", () => {
  const device = new HeldDevice();
  const wire = wireTo(exportOf(device));
  wire.send(IMPORT);
  assert.equal(wire.received(), `0111000300000000${RECORD}`);
  assert.equal(device.opened, 1);
});

test("an import that arrives byte by byte is answered once", () => {
  const wire = wireTo(exportOf(new HeldDevice()));
  for (const byte of IMPORT) wire.send(Uint8Array.of(byte));
  assert.equal(wire.received(), `0111000300000000${RECORD}`);
});

test("an import of an unknown bus id is refused with ST_NODEV, and another may follow", () => {
  const wire = wireTo();
  wire.send(IMPORT);
  assert.equal(wire.received(), "0111000300000004");
  assert.equal(wire.server.phase, "another");
});

for (const [reason, status] of [
  ["busy", 2],
  ["gone", 4],
  ["denied", 1],
  ["failed", 3],
] as const) {
  test(`an import of a device that is ${reason} is refused with status ${status}`, () => {
    const device = new HeldDevice();
    device.refusal = { reason, message: "refused" };
    const wire = wireTo(exportOf(device));
    wire.send(IMPORT);
    assert.equal(wire.received(), `011100030000000${status}`);
  });
}

test("thousands of imports in one read, all refused, are all answered", () => {
  const device = new HeldDevice();
  device.refusal = { reason: "busy", message: "refused" };
  const wire = wireTo(exportOf(device));
  wire.send(...Array.from({ length: 20_000 }, () => IMPORT));
  assert.equal(wire.received(), "0111000300000002".repeat(20_000));
});

for (const [what, bytes, expected] of [
  ["a wrong version", "0110 8005", "BAD_VERSION"],
  ["an unknown operation", "0111 8004", "BAD_COMMAND"],
  ["a reply code", "0111 0005", "BAD_COMMAND"],
  ["a status in a request", "0111 8005 00000001", "BAD_FIELD"],
] as const) {
  test(`${what} ends the connection with ${expected}`, () => {
    const wire = wireTo();
    wire.send(annotatedHex(bytes));
    assert.equal(code(wire), expected);
    assert.equal(wire.received(), "");
  });
}

test("a device with unusable descriptors is refused once it is closed, and what came meanwhile is answered", () => {
  const device = new HeldDevice();
  Object.defineProperty(device, "descriptors", { value: device.descriptors.subarray(0, 17) });
  let closed: (() => void) | undefined;
  device.close = (done) => {
    closed = done;
  };
  const wire = wireTo(exportOf(device));
  wire.send(IMPORT, DEVLIST);
  assert.equal(wire.received(), "");
  closed!();
  assert.equal(wire.received(), "0111000300000003011100050000000000000000");
});

test("half a request is waited for", () => {
  const wire = wireTo();
  wire.send(IMPORT.subarray(0, 39));
  assert.equal(wire.server.phase, "request");
  assert.equal(wire.ended, undefined);
});

test("lists asked for without end by a peer that does not read end with PEER_NOT_READING", () => {
  const wire = wireTo(exportOf(new HeldDevice()));
  wire.reading = false;
  for (let i = 0; i < 100_000 && wire.ended === undefined; i++) wire.send(DEVLIST);
  assert.equal(code(wire), "PEER_NOT_READING");
  assert.ok(wire.received().length < 4 << 20);
});

test("a connection that is lost gives the device back", () => {
  const device = new HeldDevice();
  const wire = wireTo(exportOf(device));
  wire.send(IMPORT);
  let closed = 0;
  wire.server.disconnected(() => closed++);
  assert.deepEqual([device.closed, closed], [1, 1]);
});

test("a device that opens after the connection was lost is closed again", () => {
  const device = new HeldDevice();
  let opened: (() => void) | undefined;
  device.open = (_host, _loop, done) => {
    opened = done;
  };
  const wire = wireTo(exportOf(device));
  wire.send(IMPORT);
  let closed = 0;
  wire.server.disconnected(() => closed++);
  assert.equal(closed, 0);
  opened!();
  assert.deepEqual([device.closed, closed], [1, 1]);
});

test("more than a client may send before the import is answered ends with FLOOD", () => {
  const device = new HeldDevice();
  device.open = () => {};
  const wire = wireTo(exportOf(device));
  wire.send(IMPORT);
  wire.send(new Uint8Array(65 << 10));
  assert.equal(code(wire), "FLOOD");
});

test("a client that reads may list as often as it likes", () => {
  const wire = wireTo(exportOf(new HeldDevice()));
  for (let i = 0; i < 4000; i++) wire.send(DEVLIST);
  assert.equal(wire.ended, undefined);
});

test("one list may be longer than what may wait unread", () => {
  const device = new HeldDevice();
  const wire = wireTo(...Array.from({ length: 4000 }, () => exportOf(device)));
  wire.reading = false;
  wire.send(DEVLIST);
  assert.equal(wire.ended, undefined);
});

/** What another thread serves. */
function distant(attached = false): ExportedDevice {
  const { speed, descriptors, configuration } = new HeldDevice();
  return { ...exportOf(new HeldDevice(), attached), device: { speed, descriptors, configuration } };
}

/** A server that can hand over, or cannot; what it handed over, and what it answered. */
function handingOver(exported: ExportedDevice, canMove: boolean) {
  const moved: string[] = [];
  let answered = "";
  const server = new UsbipServer({ devices: () => [exported], find: () => exported }, new ManualLoop(), {
    write: (chunks, written) => {
      for (const chunk of chunks) answered += toHex(chunk);
      written();
    },
    end: () => assert.fail("the server does not end it"),
    imported: () => assert.fail("it is not imported here"),
    handOver: (device, request) => {
      moved.push(`${device.busid} ${toHex(request)}`);
      return canMove;
    },
  });
  return { server, moved, answered: () => answered };
}

test("an import of a distant device is handed over with all that came from it on, and nothing follows", () => {
  const { server, moved, answered } = handingOver(distant(), true);
  const behind = submit({ seqnum: 1, in: true, length: 8 });
  server.receive(Buffer.concat([DEVLIST, IMPORT, behind.subarray(0, 30)]));
  assert.deepEqual(moved, [`1-2 ${toHex(IMPORT)}${toHex(behind.subarray(0, 30))}`]);
  assert.equal(answered(), `011100050000000000000001${RECORD}ff000000`);
  assert.equal(server.phase, "over");
  server.receive(IMPORT);
  assert.equal(moved.length, 1);
  let closed = 0;
  server.disconnected(() => closed++);
  assert.equal(closed, 1);
});

test("a distant device that somebody has is refused as busy, and not handed over", () => {
  const { server, moved, answered } = handingOver(distant(true), true);
  server.receive(IMPORT);
  assert.deepEqual([moved, answered(), server.phase], [[], "0111000300000002", "another"]);
});

test("a distant device is refused where its connection cannot be taken", () => {
  const { server, answered } = handingOver(distant(), false);
  server.receive(IMPORT);
  assert.equal(answered(), "0111000300000003");
  const wire = wireTo(distant());
  wire.send(IMPORT);
  assert.equal(wire.received(), "0111000300000003");
});
