import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { type Change, Chapter9 } from "./chapter9.ts";
import type { DeviceSpecification } from "./chapter9-descriptors.ts";
import { configurationDescriptor, endpointDescriptor, interfaceDescriptor } from "./descriptor-build.ts";
import { Speed } from "./speed.ts";
import { createUrb, TransferStatus } from "./urb.ts";

/** One interface: alternate 0 with a bulk pair, alternate 1 with an isochronous endpoint. */
const specification: DeviceSpecification = {
  vendorId: 0x1234,
  productId: 0x5678,
  release: 0x0102,
  deviceClass: 0xff,
  manufacturer: "m",
  product: "pr",
  serial: "",
  strings: ["more"],
  configurations: (speed) => [
    configurationDescriptor(
      { bConfigurationValue: 5, iConfiguration: 4, bmAttributes: 0xe0, bMaxPower: speed },
      setting(0, 2),
      endpoint(0x81, 2),
      endpoint(0x01, 2),
      setting(1, 1),
      endpoint(0x82, 1),
    ),
  ],
};

function setting(bAlternateSetting: number, bNumEndpoints: number): Uint8Array {
  return interfaceDescriptor({
    bInterfaceNumber: 0,
    bAlternateSetting,
    bNumEndpoints,
    bInterfaceClass: 0xff,
    bInterfaceSubClass: 0,
    bInterfaceProtocol: 0,
    iInterface: 0,
  });
}

function endpoint(bEndpointAddress: number, bmAttributes: number): Uint8Array {
  return endpointDescriptor({ bEndpointAddress, bmAttributes, wMaxPacketSize: 64, bInterval: 1 });
}

let changes: Change[] = [];
let device = build(Speed.high);

function build(speed: Speed): Chapter9 {
  return new Chapter9(specification, speed, (change) => changes.push(change));
}

beforeEach(() => {
  changes = [];
  device = build(Speed.high);
});

/** The answer in hex, or the name of the status. */
function ask(setup: string, of: Chapter9 = device): string {
  const urb = createUrb(0);
  urb.setup.set(annotatedHex(setup));
  urb.length = urb.setup[6]! | (urb.setup[7]! << 8);
  urb.buffer = new Uint8Array(urb.length);
  const status = of.answer(urb);
  if (status === TransferStatus.ok) return toHex(urb.buffer.subarray(0, urb.actualLength));
  return status === TransferStatus.stall ? "stall" : `status ${status}`;
}

const CONFIGURE = "00 09 0500 0000 0000  SET_CONFIGURATION 5";
const ALTERNATE_1 = "01 0b 0100 0000 0000  SET_INTERFACE 0, alternate 1";
const HALT_81 = "02 03 0000 8100 0000  SET_FEATURE(ENDPOINT_HALT) 0x81";
const RESUME_81 = "02 01 0000 8100 0000  CLEAR_FEATURE(ENDPOINT_HALT) 0x81";
const STATUS_81 = "82 00 0000 8100 0200  GET_STATUS 0x81";

test("the device descriptor tells the speed", () => {
  const read = "80 06 0001 0000 1200  GET_DESCRIPTOR device";
  assert.equal(ask(read, build(Speed.low)), "12010002ff00000834127856020101020001");
  assert.equal(ask(read, build(Speed.full)), "12010002ff00004034127856020101020001");
  assert.equal(ask(read, build(Speed.high)), "12010002ff00004034127856020101020001");
  assert.equal(ask(read, build(Speed.super)), "12012003ff00000934127856020101020001");
});

test("eight bytes of the device descriptor end with the packet size, 2^9 at super speed", () => {
  assert.equal(ask("80 06 0001 0000 0800", build(Speed.super)), "12012003ff000009");
});

test("only a high-speed device has a qualifier and other-speed configurations", () => {
  const qualifier = "80 06 0006 0000 0a00";
  const other = "80 06 0007 0000 0900";
  assert.equal(ask(qualifier), "0a060002ff0000400100");
  assert.equal(ask(other), "09073000010504e002");
  assert.equal(ask("80 06 0107 0000 0900"), "stall");
  for (const speed of [Speed.low, Speed.full, Speed.super]) {
    assert.equal(ask(qualifier, build(speed)), "stall");
    assert.equal(ask(other, build(speed)), "stall");
  }
});

test("only a super-speed device has a binary device object store", () => {
  const read = "80 06 000f 0000 0001";
  assert.equal(ask(read, build(Speed.super)), "050f160002071002020000000a1003020e000101f401");
  assert.equal(ask("80 06 000f 0000 0500", build(Speed.super)), "050f160002");
  assert.equal(ask(read), "stall");
});

test("strings are there in one language", () => {
  assert.equal(ask("80 06 0003 0000 ff00"), "04030904");
  assert.equal(ask("80 06 0103 0904 ff00"), "04036d00");
  assert.equal(ask("80 06 0203 0904 ff00"), "060370007200");
  assert.equal(ask("80 06 0303 0904 ff00"), "stall", "no serial number");
  assert.equal(ask("80 06 0403 0904 ff00"), "0a036d006f0072006500");
  assert.equal(ask("80 06 0503 0904 ff00"), "stall");
  assert.equal(ask("80 06 0203 0704 ff00"), "stall", "German");
  assert.equal(ask("80 06 ee03 0000 1200"), "stall", "Microsoft OS string");
});

test("interface and endpoint descriptors cannot be read alone", () => {
  assert.equal(ask("80 06 0004 0000 0900"), "stall");
  assert.equal(ask("80 06 0005 0000 0700"), "stall");
});

test("a configuration is chosen, told and left", () => {
  assert.equal(ask("80 08 0000 0000 0100"), "00");
  assert.equal(ask("00 09 0400 0000 0000"), "stall", "there is no configuration 4");
  assert.deepEqual(changes, []);
  assert.equal(ask(CONFIGURE), "");
  assert.equal(ask("80 08 0000 0000 0100"), "05");
  assert.equal(ask("00 09 0000 0000 0000"), "");
  assert.equal(ask("80 08 0000 0000 0100"), "00");
  assert.deepEqual(changes, [
    { what: "configuration", gone: [] },
    { what: "configuration", gone: [0x81, 0x01] },
  ]);
});

test("an alternate setting is chosen and told, in a configuration only", () => {
  const read = "81 0a 0000 0000 0100";
  assert.equal(ask(read), "stall");
  assert.equal(ask(ALTERNATE_1), "stall");
  ask(CONFIGURE);
  assert.equal(ask(read), "00");
  assert.equal(ask(ALTERNATE_1), "");
  assert.equal(ask(read), "01");
  assert.equal(ask("01 0b 0200 0000 0000"), "stall", "there is no alternate 2");
  assert.equal(ask("01 0b 0000 0100 0000"), "stall", "there is no interface 1");
  assert.equal(ask("81 0a 0000 0100 0100"), "stall");
  assert.deepEqual(changes[1], { what: "alternate", interfaceNumber: 0, gone: [0x81, 0x01] });
  assert.equal(changes.length, 2);
});

test("a halt is set, told and cleared", () => {
  ask(CONFIGURE);
  assert.equal(ask(STATUS_81), "0000");
  assert.equal(ask(HALT_81), "");
  assert.equal(ask(STATUS_81), "0100");
  assert.equal(ask("82 00 0000 0100 0200"), "0000", "the other direction is not halted");
  assert.equal(ask(RESUME_81), "");
  assert.equal(ask(STATUS_81), "0000");
  assert.deepEqual(changes.slice(1), [
    { what: "halt", endpoint: 0x81, halted: true },
    { what: "halt", endpoint: 0x81, halted: false },
  ]);
});

test("SET_CONFIGURATION to the active value and SET_INTERFACE clear halts", () => {
  ask(CONFIGURE);
  for (const request of [CONFIGURE, "01 0b 0000 0000 0000"]) {
    ask(HALT_81);
    ask(request);
    assert.equal(ask(STATUS_81), "0000");
  }
});

test("only bulk and interrupt endpoints that exist can be halted", () => {
  assert.equal(ask(HALT_81), "stall", "unconfigured");
  ask(CONFIGURE);
  assert.equal(ask("02 03 0000 8300 0000"), "stall", "no such endpoint");
  assert.equal(ask("82 00 0000 8300 0200"), "stall", "no such endpoint");
  assert.equal(ask("02 03 0100 8100 0000"), "stall", "no such feature");
  ask(ALTERNATE_1);
  assert.equal(ask("02 03 0000 8200 0000"), "stall", "isochronous");
  assert.equal(changes.filter(({ what }) => what === "halt").length, 0);
});

test("the default pipe has a status and its halt does no harm", () => {
  assert.equal(ask("82 00 0000 0000 0200"), "0000");
  assert.equal(ask("82 00 0000 8000 0200"), "0000");
  assert.equal(ask("02 03 0000 0000 0000"), "");
  assert.equal(ask("02 01 0000 0000 0000"), "");
  assert.equal(ask("82 00 0000 0000 0200"), "0000");
});

test("remote wakeup is a feature of the device below super speed", () => {
  const status = "80 00 0000 0000 0200";
  assert.equal(ask(status), "0100", "self powered");
  assert.equal(ask("00 03 0100 0000 0000"), "");
  assert.equal(ask(status), "0300");
  assert.equal(ask("00 01 0100 0000 0000"), "");
  assert.equal(ask(status), "0100");
  assert.equal(ask("00 03 0100 0000 0000", build(Speed.super)), "stall");
  assert.equal(ask("00 03 0200 0001 0000"), "stall", "test mode");
});

test("power states are features of a configured super-speed device", () => {
  const superSpeed = build(Speed.super);
  assert.equal(ask("00 03 3000 0000 0000", superSpeed), "stall", "unconfigured");
  ask(CONFIGURE, superSpeed);
  for (const feature of ["3000", "3100", "3200"]) {
    assert.equal(ask(`00 03 ${feature} 0000 0000`, superSpeed), "");
  }
  assert.equal(ask("80 00 0000 0000 0200", superSpeed), "1d00");
  assert.equal(ask("00 01 3100 0000 0000", superSpeed), "");
  assert.equal(ask("80 00 0000 0000 0200", superSpeed), "1500");
  assert.equal(ask("01 03 0000 0003 0000", superSpeed), "", "function suspend with remote wake");
  ask(CONFIGURE);
  assert.equal(ask("00 03 3000 0000 0000"), "stall", "high speed");
  assert.equal(ask("01 03 0000 0003 0000"), "stall", "high speed");
});

test("exit latencies and isochronous delay belong to super speed", () => {
  const sel = "00 30 0000 0000 0600";
  const delay = "00 31 2800 0000 0000";
  assert.equal(ask(sel, build(Speed.super)), "000000000000", "takes six bytes");
  assert.equal(ask("00 30 0000 0000 0500", build(Speed.super)), "stall");
  assert.equal(ask(delay, build(Speed.super)), "");
  assert.deepEqual([ask(sel), ask(delay)], ["stall", "stall"]);
});

test("interface status needs an interface", () => {
  const read = "81 00 0000 0000 0200";
  assert.equal(ask(read), "stall");
  ask(CONFIGURE);
  assert.equal(ask(read), "0000");
  assert.equal(ask("81 00 0000 0100 0200"), "stall");
});

test("SET_ADDRESS is taken, and what is not supported stalls", () => {
  assert.equal(ask("00 05 0700 0000 0000"), "");
  assert.equal(ask("82 0c 0000 8200 0200"), "stall", "SYNCH_FRAME");
  assert.equal(ask("00 07 0001 0000 1200"), "stall", "SET_DESCRIPTOR");
  assert.equal(ask("00 06 0001 0000 0000"), "stall", "GET_DESCRIPTOR, but OUT");
  assert.equal(ask("80 ff 0000 0000 0000"), "stall");
});

test("a reset leaves nothing", () => {
  ask(CONFIGURE);
  ask("00 03 0100 0000 0000");
  ask(HALT_81);
  device.reset();
  assert.equal(ask("80 08 0000 0000 0100"), "00");
  assert.equal(ask("80 00 0000 0000 0200"), "0100");
  ask(CONFIGURE);
  assert.equal(ask(STATUS_81), "0000");
});

test("an answer is cut to wLength and to the room of the URB", () => {
  const urb = createUrb(0);
  urb.setup.set(annotatedHex("80 06 0001 0000 1200"));
  urb.buffer = new Uint8Array(20).fill(0xaa);
  urb.offset = 3;
  urb.length = 5;
  assert.equal(device.answer(urb), TransferStatus.ok);
  assert.equal(urb.actualLength, 5);
  assert.equal(toHex(urb.buffer.subarray(0, 10)), "aaaaaa12010002ffaaaa");
});
