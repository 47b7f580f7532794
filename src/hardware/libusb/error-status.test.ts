import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferStatus } from "../../usb/urb.ts";
import { endedStatus, packetStatus, refusedStatus } from "./error-status.ts";

test("the statuses of libusb.h have their meaning", () => {
  // enum libusb_transfer_status, in its order.
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 7, -1].map(endedStatus), [
    TransferStatus.ok,
    TransferStatus.protocol,
    TransferStatus.timeout,
    TransferStatus.disconnected,
    TransferStatus.stall,
    TransferStatus.disconnected,
    TransferStatus.overflow,
    TransferStatus.protocol,
    TransferStatus.protocol,
  ]);
  assert.deepEqual([0, 1, 3].map(packetStatus), [
    TransferStatus.ok,
    TransferStatus.protocol,
    TransferStatus.notDone,
  ]);
});

test("the errors of libusb.h have their meaning", () => {
  // IO, INVALID_PARAM, NO_DEVICE, NOT_FOUND, PIPE, NO_MEM, NOT_SUPPORTED, OTHER
  assert.deepEqual([-1, -2, -4, -5, -9, -11, -12, -99].map(refusedStatus), [
    TransferStatus.protocol,
    TransferStatus.invalid,
    TransferStatus.disconnected,
    TransferStatus.stall,
    TransferStatus.stall,
    TransferStatus.noMemory,
    TransferStatus.invalid,
    TransferStatus.protocol,
  ]);
});
