import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { numberOf } from "./block-options.ts";
import {
  enhancedPacket,
  framePacket,
  InterfaceStatistics,
  interfaceDescription,
  interfaceStatistics,
  Option,
  sectionHeader,
} from "./pcapng.ts";

/** 2^32 + 5 us and 2^33 + 6 us: both halves of a time count. */
const STARTED = 4_294_967_301;
const ENDED = 8_589_934_598;

test("a section header has the layout of the document", () => {
  const wire = annotatedHex(`
    0a0d0d0a                     block type
    28000000                     block total length
    4d3c2b1a                     byte-order magic
    0100                         major version
    0000                         minor version
    ffffffffffffffff             section length: not told
    0400 0300                    shb_userappl
    783f79 00                    "x?y", padded
    0000 0000                    opt_endofopt
    28000000                     block total length
  `);
  assert.equal(toHex(sectionHeader("xéy")), toHex(wire));
});

test("an interface description has the layout of the document", () => {
  const wire = annotatedHex(`
    01000000                     block type
    3c000000                     block total length
    dc00                         linktype 220
    0000                         reserved
    00000400                     snaplen 262144
    0200 0400 7a65726f           if_name "zero"
    0300 0100 61 000000          if_description "a"
    0800 0800 00f2052a01000000   if_speed 5000000000
    0900 0100 06 000000          if_tsresol: microseconds
    0000 0000                    opt_endofopt
    3c000000                     block total length
  `);
  const described = { name: "zero", description: "a", bitsPerSecond: 5e9, snaplen: 262_144 };
  assert.equal(toHex(interfaceDescription(described)), toHex(wire));
});

test("a packet with a comment has the layout of the document", () => {
  const wire = annotatedHex(`
    06000000                     block type
    34000000                     block total length
    00000000                     interface id
    01000000                     timestamp, high half
    05000000                     timestamp, low half
    05000000                     captured packet length
    05000000                     original packet length
    0102030405 000000            packet, padded
    0100 0200 6869 0000          opt_comment "hi"
    0000 0000                    opt_endofopt
    34000000                     block total length
  `);
  assert.equal(toHex(enhancedPacket(STARTED, Uint8Array.of(1, 2, 3, 4, 5), "hi")), toHex(wire));
});

test("a packet that is framed in place has the same layout, and its padding is cleared", () => {
  const bytes = new Uint8Array(48).fill(0xee);
  bytes.set([1, 2, 3, 4, 5], 4 + 28);
  assert.equal(framePacket(new DataView(bytes.buffer), 4, STARTED, 5, 9), 40);
  const wire = annotatedHex(`
    eeeeeeee                     before it
    06000000                     block type
    28000000                     block total length
    00000000                     interface id
    01000000                     timestamp, high half
    05000000                     timestamp, low half
    05000000                     captured packet length
    09000000                     original packet length
    0102030405 000000            packet, padded
    28000000                     block total length
    eeeeeeee                     behind it
  `);
  assert.equal(toHex(bytes), toHex(wire));
});

test("statistics have the layout of the document", () => {
  const wire = annotatedHex(`
    05000000                     block type
    4c000000                     block total length
    00000000                     interface id
    02000000                     timestamp, high half
    06000000                     timestamp, low half
    0200 0800 01000000 05000000  isb_starttime, high half first
    0300 0800 02000000 06000000  isb_endtime, high half first
    0400 0800 0700000000000000   isb_ifrecv
    0500 0800 0000000003000000   isb_ifdrop
    0000 0000                    opt_endofopt
    4c000000                     block total length
  `);
  const block = interfaceStatistics({
    startedUs: STARTED,
    endedUs: ENDED,
    received: 7,
    dropped: 3 * 2 ** 32,
  });
  assert.equal(toHex(block), toHex(wire));
  assert.equal(numberOf(block, InterfaceStatistics.size, Option.isb_ifrecv), 7);
  assert.equal(numberOf(block, InterfaceStatistics.size, Option.isb_ifdrop), 3 * 2 ** 32);
  assert.equal(numberOf(block, InterfaceStatistics.size, Option.if_speed), undefined);
});
