import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldDevice } from "../../test/support/held-device.ts";
import { IMPORT, ServedWire, submit } from "../../test/support/usbip-wire-client.ts";
import { TransferStatus } from "../usb/urb.ts";
import { UrbTrace } from "../usb/urb-trace.ts";

test("a URB is written when its answer has left, with the times of its life", () => {
  const device = new HeldDevice();
  const exported = { busid: "1-2", path: "/held", busnum: 1, devnum: 2, device, attached: false };
  const trace = new UrbTrace();
  const exports = { devices: () => [exported], find: () => exported };
  const wire = new ServedWire(exports, undefined, { urbs: trace, session: 9 });
  wire.send(IMPORT);
  wire.reading = false;
  wire.loop.advance(5);
  wire.send(submit({ seqnum: 7, in: true, length: 64 }));
  wire.loop.advance(2);
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(3));
  wire.received();
  assert.deepEqual(trace.read(), []);
  wire.loop.advance(4);
  wire.read();
  const urb = { session: 9, seqnum: 7, endpoint: 0x81, status: TransferStatus.stall, actualLength: 3 };
  assert.deepEqual(new UrbTrace(trace.block).read(), [{ ...urb, arrivedMs: 5, completedMs: 7, leftMs: 11 }]);
});
