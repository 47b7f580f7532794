import assert from "node:assert/strict";
import { test } from "node:test";
import { USBDEVFS } from "./usbdevfs.ts";

// As a C compiler prints them, the same on x86-64 and arm64.
const COMPILED = {
  CONTROL: 0xc0185500,
  SETINTERFACE: 0x80085504,
  SETCONFIGURATION: 0x80045505,
  GETDRIVER: 0x41045508,
  SUBMITURB: 0x8038550a,
  DISCARDURB: 0x0000550b,
  REAPURBNDELAY: 0x4008550d,
  RELEASEINTERFACE: 0x80045510,
  IOCTL: 0xc0105512,
  RESET: 0x00005514,
  CLEAR_HALT: 0x80045515,
  CONNECT: 0x00005517,
  GET_CAPABILITIES: 0x8004551a,
  DISCONNECT_CLAIM: 0x8108551b,
};

test("requests have the numbers of the kernel's header", () => {
  assert.deepEqual({ ...USBDEVFS }, COMPILED);
});
