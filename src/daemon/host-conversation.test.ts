import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { createGadget, GadgetSpecificationError, parseGadgetSpec } from "../gadgets/catalog.ts";
import { memoryPair } from "../links/memory.ts";
import { createUrb, type Urb } from "../usb/urb.ts";
import { DeviceRecord, type DeviceRecordValue, HeaderBasic } from "../usbip/pdu.ts";
import { HostConversation } from "./host-conversation.ts";

const REQUEST_BYTES = 40;

const RECORD: DeviceRecordValue = {
  path: "/sys/devices/1-1",
  busid: "1-1",
  busnum: 1,
  devnum: 4,
  speed: 2,
  idVendor: 0x2341,
  idProduct: 0x8036,
  bcdDevice: 0x0100,
  bDeviceClass: 0,
  bDeviceSubClass: 0,
  bDeviceProtocol: 0,
  bConfigurationValue: 1,
  bNumConfigurations: 1,
  bNumInterfaces: 2,
};

function descriptors(): Uint8Array {
  const specification = parseGadgetSpec("serial");
  assert(!(specification instanceof GadgetSpecificationError));
  return createGadget(specification).descriptors;
}

function answer(status: number, record?: DeviceRecordValue): Uint8Array {
  const head = Uint8Array.of(0x01, 0x11, 0x00, 0x03, 0, 0, 0, status);
  return record === undefined ? head : Uint8Array.of(...head, ...DeviceRecord.encode(record));
}

/** A guest that has asked ahead, opened the device and submitted a request; what its host has heard. */
function ahead() {
  const loop = new ManualLoop();
  const [ours, hosts] = memoryPair(loop);
  const heard: number[] = [];
  let isEnded = false;
  hosts.start(
    (bytes) => heard.push(...bytes),
    () => {
      isEnded = true;
    },
  );
  const { device, given } = new HostConversation(ours, loop).importAhead(RECORD, descriptors());
  let outcome = "pending";
  given.then(
    () => {
      outcome = "given";
    },
    ({ message }: Error) => {
      outcome = message;
    },
  );
  const completed: Urb[] = [];
  let unplugged = false;
  const host = {
    complete: (urb: Urb) => void completed.push(urb),
    unplugged: () => {
      unplugged = true;
    },
  };
  device.open(host, loop, (refused) => assert.equal(refused, undefined));
  const urb = createUrb(1);
  urb.setup.set([0x00, 9, 1, 0, 0, 0, 0, 0]);
  device.submit(urb);
  device.flush();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) {
      loop.settle();
      // oxlint-disable-next-line no-await-in-loop -- promises have their turn between
      await Promise.resolve();
    }
  };
  const say = (bytes: Uint8Array): void => hosts.write([bytes], () => {});
  return {
    heard,
    completed,
    settle,
    say,
    get outcome() {
      return outcome;
    },
    get isOver() {
      return isEnded && unplugged;
    },
  };
}

test("what is sent to a device before its host has given it waits for that", async () => {
  const guest = ahead();
  await guest.settle();
  assert.deepEqual([guest.heard.length, guest.outcome], [REQUEST_BYTES, "pending"]);
  guest.say(answer(0, RECORD));
  await guest.settle();
  assert.equal(guest.outcome, "given");
  const sent = Uint8Array.from(guest.heard.slice(REQUEST_BYTES));
  // The languages, which it asks for itself, and what was submitted.
  assert.deepEqual([sent.length, HeaderBasic.seqnum(sent, 0), HeaderBasic.seqnum(sent, 48)], [96, 1, 2]);
});

test("a device that its host keeps after all is gone, and hears of nothing", async () => {
  for (const [bytes, reason] of [
    [answer(1), /does not give 1-1: it is attached elsewhere/],
    [answer(0, { ...RECORD, devnum: 5 }), /1-1 has become another device meanwhile/],
    [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), /did not give 1-1: BAD_VERSION/],
  ] as const) {
    const guest = ahead();
    guest.say(bytes);
    // oxlint-disable-next-line no-await-in-loop -- one host after the other
    await guest.settle();
    assert.match(guest.outcome, reason);
    assert.deepEqual([guest.isOver, guest.heard.length, guest.completed.length], [true, REQUEST_BYTES, 1]);
  }
});

test("a host that tells of a device that cannot be is asked for none", () => {
  const loop = new ManualLoop();
  const [ours] = memoryPair(loop);
  const conversation = new HostConversation(ours, loop);
  assert.throws(() => conversation.importAhead({ ...RECORD, speed: 77 }, descriptors()), /gives speed 77/);
});
