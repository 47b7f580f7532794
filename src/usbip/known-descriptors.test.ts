import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { importedOverMemory } from "../../test/support/imported-over-memory.ts";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { ImportedWire, retSubmit } from "../../test/support/usbip-wire-server.ts";
import { createGadget } from "../gadgets/catalog.ts";
import { createUrb, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";

const GET_DEVICE = "8006000100004000";
const GET_CONFIGURATION = "8006000200000900";
const GET_QUALIFIER = "8006000600000a00";
const GET_REPORT = "8006002200000a00";
const SET_CONFIGURATION = "0009010000000000";

function control(wire: ImportedWire, setup: string, flags = 0): Urb {
  const urb = createUrb(1);
  urb.setup.set(annotatedHex(setup));
  urb.type = TransferType.control;
  urb.endpoint = urb.setup[0]! & 0x80;
  urb.length = urb.setup[6]!;
  urb.buffer = new Uint8Array(urb.length);
  urb.flags = flags;
  wire.device.submit(urb);
  return urb;
}

test("what a kernel asks first is answered without the host, in the next flush and cut to what was asked for", () => {
  const wire = new ImportedWire();
  const device = control(wire, GET_DEVICE);
  const head = control(wire, GET_CONFIGURATION);
  assert.deepEqual(wire.completions, []);
  wire.device.flush();
  assert.deepEqual(wire.completions, [
    [1, TransferStatus.ok, 18],
    [1, TransferStatus.ok, 9],
  ]);
  const { descriptors } = new HeldDevice();
  assert.equal(toHex(device.buffer.subarray(0, 18)), toHex(descriptors.subarray(0, 18)));
  assert.equal(toHex(head.buffer), toHex(descriptors.subarray(18, 27)));
  assert.equal(wire.commands.length, 0);
});

test("what is not known is asked of the host, and nothing overtakes it", () => {
  const wire = new ImportedWire();
  control(wire, GET_QUALIFIER);
  control(wire, GET_DEVICE);
  wire.device.flush();
  assert.equal(wire.commands.length, 2);
  assert.deepEqual(wire.completions, []);
});

test("once it is being configured the device is asked itself", () => {
  const wire = new ImportedWire();
  control(wire, SET_CONFIGURATION);
  wire.device.flush();
  wire.reply(retSubmit(wire.seqnum));
  control(wire, GET_DEVICE);
  wire.device.flush();
  assert.equal(wire.commands.length, 2);
});

test("who does not put up with a short answer has it from the device", () => {
  const wire = new ImportedWire();
  control(wire, GET_DEVICE, UrbFlag.shortNotOk);
  wire.device.flush();
  assert.equal(wire.commands.length, 1);
});

test("an answer that waits for its flush is delivered before the device is gone, or closed", () => {
  const lost = new ImportedWire();
  control(lost, GET_DEVICE);
  lost.device.disconnected();
  assert.deepEqual([lost.completions.length, lost.unplugs], [1, 1]);
  const closing = new ImportedWire();
  control(closing, GET_DEVICE);
  let closed = 0;
  closing.device.close(() => closed++);
  assert.deepEqual([closing.completions.length, closed], [1, 1]);
});

test("strings are read ahead as soon as the device is open", () => {
  const loop = new ManualLoop();
  const gadget = createGadget({ kind: "keyboard", speed: 1, serial: "S7" });
  const asked: string[] = [];
  const submit = gadget.submit.bind(gadget);
  gadget.submit = (urb) => {
    asked.push(toHex(urb.setup));
    submit(urb);
  };
  const imported = importedOverMemory(gadget, loop);
  asked.length = 0;
  const completed: Urb[] = [];
  imported.open({ complete: (urb) => void completed.push(urb), unplugged() {} }, loop, () => {});
  loop.settle();
  const languages = "800600030000ff00";
  assert.equal(asked[0], languages);
  assert(
    asked.length >= 3 && asked.slice(1).every((setup) => /^8006..030904ff00$/.test(setup)),
    asked.join(),
  );
  const before = asked.length;
  for (const setup of asked.slice()) {
    const urb = createUrb(0);
    urb.setup.set(annotatedHex(setup));
    urb.type = TransferType.control;
    urb.endpoint = 0x80;
    urb.length = 255;
    urb.buffer = new Uint8Array(255);
    imported.submit(urb);
  }
  imported.flush();
  assert.equal(asked.length, before);
  assert.equal(completed.length, before);
  const texts = completed.map((urb) =>
    Buffer.from(urb.buffer.subarray(2, urb.actualLength)).toString("utf16le"),
  );
  assert(texts.includes("S7"), texts.join());
});

test("a qualifier that the device stalled is not asked for again, and other requests are", () => {
  const wire = new ImportedWire();
  for (const setup of [GET_QUALIFIER, GET_REPORT]) {
    control(wire, setup);
    wire.device.flush();
    wire.reply(retSubmit(wire.seqnum, { status: -32 }));
  }
  const { length } = wire.commands;
  control(wire, GET_QUALIFIER);
  wire.device.flush();
  assert.deepEqual(wire.completions.at(-1), [1, TransferStatus.stall, 0]);
  assert.equal(wire.commands.length, length);
  control(wire, GET_REPORT);
  wire.device.flush();
  assert.equal(wire.commands.length, length + 1);
});
