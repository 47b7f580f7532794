import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDescriptors } from "../usb/descriptor-walk.ts";
import { Speed } from "../usb/speed.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { createGadget, GADGET_KINDS, GadgetSpecificationError, parseGadgetSpec } from "./catalog.ts";
import { Keyboard } from "./keyboard.ts";
import { Zero } from "./zero.ts";

test("reads a kind and its options", () => {
  assert.deepEqual(parseGadgetSpec("zero"), { kind: "zero", speed: Speed.high, pattern: 0 });
  assert.deepEqual(parseGadgetSpec("zero,speed=super,pattern=63"), {
    kind: "zero",
    speed: Speed.super,
    pattern: 63,
  });
  assert.deepEqual(parseGadgetSpec("keyboard,speed=low,vid=04D9,pid=1702,serial=a=b,text=ls -l"), {
    kind: "keyboard",
    speed: Speed.low,
    vendorId: 0x04d9,
    productId: 0x1702,
    serial: "a=b",
    text: "ls -l",
  });
  assert.deepEqual(parseGadgetSpec("disk,file=a=b.img,ro,speed=high"), {
    kind: "disk",
    speed: Speed.high,
    content: { file: "a=b.img" },
    readOnly: true,
  });
  for (const [text, bridge] of [
    ["serial", "echo"],
    ["serial,bridge=echo", "echo"],
    ["serial,bridge=pty", "pty"],
    ["serial,bridge=tcp:4000", { tcp: 4000 }],
  ] as const) {
    assert.deepEqual(parseGadgetSpec(text), { kind: "serial", speed: Speed.high, bridge });
  }
  assert.deepEqual(parseGadgetSpec("disk,size=1.5M"), {
    kind: "disk",
    speed: Speed.super,
    content: { size: 1_572_864 },
    readOnly: false,
  });
  assert.deepEqual(parseGadgetSpec("keyboard"), { kind: "keyboard", speed: Speed.full });
});

test("an error names what is wrong and what is allowed", () => {
  const wrong = new Map([
    ["", /no gadget ""; there are: zero, keyboard/],
    ["Keyboard", /no gadget "Keyboard"; there are: zero, keyboard/],
    ["keyboard,colour=red", /keyboard has no option "colour"; it has: speed, vid, pid, serial, text/],
    ["keyboard,pattern=0", /keyboard has no option "pattern"/],
    ["zero,", /zero has no option ""/],
    ["zero,speed", /option speed of the zero is no value; allowed: full\|high\|super/],
    ["zero,speed=low", /option speed of the zero is "low"; allowed: full\|high\|super/],
    ["keyboard,speed=warp", /option speed of the keyboard is "warp"; allowed: low\|full\|high\|super/],
    ["zero,vid=5g", /option vid of the zero is "5g"; allowed: 4 hexadecimal digits/],
    ["zero,pid=0x0525", /option pid of the zero is "0x0525"; allowed: 4 hexadecimal digits/],
    ["zero,pattern=1", /option pattern of the zero is "1"; allowed: 0\|63/],
    ["zero,vid=0525,vid=0525", /option vid of the zero is given twice/],
    [
      `zero,serial=${"x".repeat(127)}`,
      /option serial of the zero is 127 characters; allowed: .* at most 126/,
    ],
    ["disk,size=64X", /option size of the disk is "64X"; allowed: bytes, or with K, M, G or T/],
    ["disk,size=9999999T", /option size of the disk is "9999999T"/],
    ["disk,size=511", /option size of the disk is 511 bytes, less than a block/],
    ["disk,file=a,size=64M", /leave out file or size/],
    ["disk,file=", /option file of the disk is empty/],
    ["disk,ro=1", /option ro of the disk takes no value/],
    ["serial,bridge=tcp", /option bridge of the serial is "tcp"; allowed: echo\|pty\|tcp:PORT/],
    ["serial,bridge=tcp:65536", /option bridge of the serial is "tcp:65536"/],
    ["disk,speed=low", /option speed of the disk is "low"/],
    ["keyboard,text=\u00fc", /option text of the keyboard: "\u00fc" \(U\+00fc\)/],
  ]);
  for (const [text, message] of wrong) {
    const error = parseGadgetSpec(text);
    assert(error instanceof GadgetSpecificationError, text);
    assert.match(error.message, message);
  }
});

test("makes the gadget that is specified", () => {
  const keyboard = parseGadgetSpec("keyboard,speed=low,vid=04d9,pid=1702");
  const zero = parseGadgetSpec("zero,speed=full");
  assert(!(keyboard instanceof GadgetSpecificationError) && !(zero instanceof GadgetSpecificationError));
  const made = createGadget(keyboard);
  assert(made instanceof Keyboard);
  assert.equal(made.speed, Speed.low);
  const descriptors = parseDescriptors(made.descriptors);
  assert(!(descriptors instanceof ProtocolError));
  assert.deepEqual([descriptors.device.idVendor, descriptors.device.idProduct], [0x04d9, 0x1702]);
  assert(createGadget(zero) instanceof Zero);
});

test("each kind but a replay can be made by its name alone, and each option is described", () => {
  for (const { name, options } of GADGET_KINDS) {
    const specification = parseGadgetSpec(name);
    if (name === "replay") {
      assert(specification instanceof GadgetSpecificationError);
      assert.match(specification.message, /the option file of the replay is missing/);
    } else {
      assert(!(specification instanceof GadgetSpecificationError));
      assert.equal(createGadget(specification).configuration, 0);
    }
    for (const option of options) assert.notEqual(option.description, "");
  }
});

test("a replay has the speed of its recording, unless another is asked for", () => {
  assert.deepEqual(parseGadgetSpec("replay,file=a.pcapng"), { kind: "replay", file: "a.pcapng" });
  assert.deepEqual(parseGadgetSpec("replay,file=a,device=1.12,speed=low"), {
    kind: "replay",
    file: "a",
    device: "1.12",
    speed: Speed.low,
  });
  const wrong = parseGadgetSpec("replay,file=a,device=7");
  assert(wrong instanceof GadgetSpecificationError);
  assert.match(wrong.message, /the option device of the replay is "7"; allowed: BUS\.DEV/);
});
