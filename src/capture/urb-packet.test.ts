import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { createUrb, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { UrbPacket } from "./urb-packet.ts";
import { EventType } from "./usbmon.ts";

const PLACE = { busnum: 0x0102, devnum: 7 };
const TIME_US = 0x65000001 * 1e6 + 999_999;

function packetOf(urb: Urb, type: EventType, largest = 1 << 18): string {
  const packet = new UrbPacket(PLACE, largest);
  packet.measure(urb, type);
  const bytes = new Uint8Array(packet.captured).fill(0xee);
  packet.write(urb, new DataView(bytes.buffer), bytes, 0, TIME_US, 0x21222324);
  return toHex(bytes);
}

function unspaced(hex: string): string {
  return hex.replaceAll(" ", "");
}

function urbOf(endpoint: number, type: TransferType, given: Partial<Urb>): Urb {
  return Object.assign(createUrb(0x11121314), { endpoint, type, ...given });
}

test("a control read is a submission with its setup packet and a completion with its data", () => {
  const urb = urbOf(0x80, TransferType.control, {
    buffer: Uint8Array.of(9, 9, 0xa1, 0xa2, 0xa3, 0xa4),
    offset: 2,
    length: 4,
    interval: 5,
  });
  urb.setup.set([0x80, 6, 1, 2, 3, 4, 4, 0]);
  assert.equal(
    packetOf(urb, EventType.submit),
    toHex(
      annotatedHex(`
        14131211 24232221   id
        53                  type S
        02                  xfer_type control
        80                  epnum
        07                  devnum
        0201                busnum
        00                  flag_setup: it is there
        3c                  flag_data: < of a read
        01000065 00000000   ts_sec
        3f420f00            ts_usec
        8dffffff            status EINPROGRESS
        04000000            length asked for
        00000000            len_cap
        8006010203040400    setup
        00000000            interval
        00000000            start_frame
        00020000            xfer_flags URB_DIR_IN
        00000000            ndesc
      `),
    ),
  );
  urb.status = TransferStatus.ok;
  urb.actualLength = 3;
  assert.equal(
    packetOf(urb, EventType.complete),
    toHex(
      annotatedHex(`
        14131211 24232221   id
        43                  type C
        02                  xfer_type control
        80                  epnum
        07                  devnum
        0201                busnum
        2d                  flag_setup: -
        00                  flag_data: it is there
        01000065 00000000   ts_sec
        3f420f00            ts_usec
        00000000            status
        03000000            length that came
        03000000            len_cap
        0000000000000000    no setup
        00000000            interval
        00000000            start_frame
        00020000            xfer_flags
        00000000            ndesc
        a1a2a3              data
      `),
    ),
  );
});

test("a write has its data with the submission, and a failure its number with the completion", () => {
  const urb = urbOf(0x02, TransferType.bulk, {
    buffer: Uint8Array.of(1, 2, 3),
    length: 3,
    flags: UrbFlag.zeroPacket,
    interval: 5,
  });
  const submission = packetOf(urb, EventType.submit);
  assert.equal(submission.slice(16, 28), unspaced("53030207 0201"), "S, bulk, 0x02");
  assert.equal(submission.slice(28, 32), "2d00");
  assert.equal(submission.slice(64, 80), unspaced("03000000 03000000"), "length, len_cap");
  assert.equal(submission.slice(96, 128), unspaced("00000000 00000000 40000000 00000000"));
  assert.equal(submission.slice(128), "010203");
  urb.status = TransferStatus.stall;
  const completion = packetOf(urb, EventType.complete);
  assert.equal(completion.slice(28, 32), "2d3e", "no setup; > of a write");
  assert.equal(completion.slice(56, 64), "e0ffffff", "EPIPE");
  assert.equal(completion.slice(64, 80), unspaced("00000000 00000000"));
  assert.equal(completion.length, 128);
});

test("an interrupt read tells its interval", () => {
  const urb = urbOf(0x81, TransferType.interrupt, { buffer: new Uint8Array(8), length: 8, interval: 8 });
  assert.equal(packetOf(urb, EventType.submit).slice(16, 20), "5301");
  assert.equal(packetOf(urb, EventType.submit).slice(96, 104), "08000000");
});

test("an isochronous read has its packets in a table, and its data where they stand", () => {
  const urb = urbOf(0x82, TransferType.isochronous, {
    buffer: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    length: 8,
    interval: 1,
    startFrame: 0x55,
    flags: UrbFlag.isoAsap,
    packets: Int32Array.of(0, 4, 2, TransferStatus.ok, 4, 4, 3, TransferStatus.crc),
    packetCount: 2,
    errorCount: 1,
    actualLength: 5,
  });
  const submission = packetOf(urb, EventType.submit);
  assert.equal(submission.slice(80, 96), unspaced("01000000 02000000"), "error_count, numdesc");
  assert.equal(submission.slice(96, 128), unspaced("01000000 55000000 02020000 02000000"));
  assert.equal(
    submission.slice(128),
    unspaced("eeffffff 00000000 04000000 00000000 eeffffff 04000000 04000000 00000000"),
  );
  const completion = packetOf(urb, EventType.complete);
  assert.equal(
    completion.slice(64, 80),
    unspaced("05000000 27000000"),
    "5 bytes moved; two descriptors and 7 bytes",
  );
  assert.equal(
    completion.slice(128),
    // The second with EILSEQ.
    unspaced("00000000 00000000 02000000 00000000 acffffff 04000000 03000000 00000000 01020304050607"),
  );
});

test("a packet is cut to the limit, its table before its data and whole descriptors alone", () => {
  const urb = urbOf(0x02, TransferType.isochronous, {
    buffer: new Uint8Array(300).fill(7),
    length: 300,
    packets: new Int32Array(4 * 200),
    packetCount: 200,
  });
  for (const [largest, captured, descriptors] of [
    [64, 64, 0],
    [95, 95, 1],
    [1 << 18, 64 + 128 * 16 + 300, 128],
    [64 + 128 * 16 + 7, 64 + 128 * 16 + 7, 128],
    [0, 64, 0],
  ] as const) {
    const text = packetOf(urb, EventType.submit, largest);
    assert.equal(text.length / 2, captured);
    assert.equal(Buffer.from(text, "hex").readUInt32LE(60), descriptors);
    assert.equal(Buffer.from(text, "hex").readUInt32LE(36), captured - 64, "len_cap");
    assert.equal(Buffer.from(text, "hex").readInt32LE(44), 200, "numdesc tells of all");
    const packet = new UrbPacket(PLACE, largest);
    packet.measure(urb, EventType.submit);
    assert.equal(packet.original, 64 + 128 * 16 + 300);
  }
});

test("numbers that no device has written are no reason to fail", () => {
  const urb = urbOf(0x82, TransferType.isochronous, {
    buffer: new Uint8Array(8),
    length: 1 << 30,
    packets: Int32Array.of(-5, 2 ** 31 - 1, 2 ** 31 - 1, 99),
    packetCount: 900,
    actualLength: 1 << 30,
    status: 77 as TransferStatus,
  });
  assert.equal(packetOf(urb, EventType.complete).length / 2, 64 + 128 * 16 + 8);
});
