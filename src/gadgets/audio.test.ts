import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { BulkHost } from "../../test/support/bulk-host.ts";
import { Speed } from "../usb/speed.ts";
import { createUrb, PACKET_WORDS, PacketWord, TransferType, type Urb } from "../usb/urb.ts";
import { Audio } from "./audio.ts";

const PLAYBACK_ON = "01 0b 0100 0100 0000";
const CAPTURE_ON = "01 0b 0100 0200 0000";
const CAPTURE_OFF = "01 0b 0000 0200 0000";

/** Submits packets of one length, and lets their time pass. Answers the length of each as it moved. */
function stream(host: BulkHost, endpoint: number, packet: number, data: Uint8Array): number[] {
  const urb = submit(host, endpoint, packet, data);
  host.loop.advance(urb.packetCount);
  assert(!host.isPending(urb), "done when its time is over");
  return Array.from(
    { length: urb.packetCount },
    (_, i) => urb.packets[i * PACKET_WORDS + PacketWord.actualLength]!,
  );
}

function submit(host: BulkHost, endpoint: number, packet: number, data: Uint8Array): Urb {
  const urb = createUrb(0);
  urb.endpoint = endpoint;
  urb.type = TransferType.isochronous;
  urb.buffer = data;
  urb.length = data.length;
  urb.packetCount = data.length / packet;
  urb.packets = new Int32Array(urb.packetCount * PACKET_WORDS);
  for (let i = 0; i < urb.packetCount; i++) {
    urb.packets[i * PACKET_WORDS + PacketWord.offset] = i * packet;
    urb.packets[i * PACKET_WORDS + PacketWord.length] = packet;
  }
  host.submit(urb);
  return urb;
}

function attach(): BulkHost {
  const host = new BulkHost(new Audio());
  host.control(PLAYBACK_ON);
  host.control(CAPTURE_ON);
  return host;
}

/** 192 bytes are a millisecond. */
function sound(milliseconds: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: milliseconds * 192 }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);
}

test("the descriptors at full speed", () => {
  const wire = annotatedHex(`
    12 01 0002 00 00 00 40 0912 0100 0001 01 02 00 01  device
    09 02 ae00 03 01 00 c0 01   configuration
    09 04 00 00 00 01 01 00 00  audio control
    0a 24 01 0001 3400 02 01 02  header: two streaming interfaces
    0c 24 02 01 0101 00 02 0300 00 00  terminal 1: from USB, left and right
    09 24 03 02 0103 00 01 00   terminal 2: speaker, from 1
    0c 24 02 03 0102 00 02 0300 00 00  terminal 3: microphone
    09 24 03 04 0101 00 03 00   terminal 4: to USB, from 3
    09 04 01 00 00 01 02 00 00  playback, resting
    09 04 01 01 01 01 02 00 00  playback
    07 24 01 01 01 0100         terminal 1, PCM
    0b 24 02 01 02 02 10 01 80bb00  2 channels, 2 bytes, 16 bits, 48,000 Hz
    09 05 01 09 c400 01 00 00   isochronous OUT, adaptive, 49 frames
    07 25 01 00 00 0000         no controls
    09 04 02 00 00 01 02 00 00  capture, resting
    09 04 02 01 01 01 02 00 00  capture
    07 24 01 04 01 0100         terminal 4, PCM
    0b 24 02 01 02 02 10 01 80bb00
    09 05 82 0d 2001 01 00 00   isochronous IN, synchronous, 72 frames
    07 25 01 00 00 0000`);
  assert.equal(toHex(new Audio({ speed: Speed.full }).descriptors), toHex(wire));
});

test("what is played is captured, whole and in order, as fast as packets allow", () => {
  const host = attach();
  const played = sound(10, 1);
  assert.deepEqual(
    stream(host, 0x01, 192, played),
    Array.from({ length: 10 }, () => 192),
  );
  const captured = new Uint8Array(10 * 288);
  assert.deepEqual(stream(host, 0x82, 288, captured), [288, 288, 288, 288, 288, 288, 192, 0, 0, 0]);
  assert.equal(toHex(captured.subarray(0, 1920)), toHex(played));
});

test("with nothing to capture packets are empty: silence is never made up", () => {
  const host = attach();
  const captured = new Uint8Array(5 * 288).fill(0xee);
  assert.deepEqual(stream(host, 0x82, 288, captured), [0, 0, 0, 0, 0]);
  assert(captured.every((byte) => byte === 0xee));
});

test("a packet holds whole frames", () => {
  const host = attach();
  stream(host, 0x01, 192, sound(1, 1));
  assert.deepEqual(stream(host, 0x82, 7, new Uint8Array(14)), [4, 4]);
});

test("while nobody captures, what is played goes nowhere", () => {
  const host = attach();
  stream(host, 0x01, 192, sound(3, 1));
  host.control(CAPTURE_OFF);
  stream(host, 0x01, 192, sound(3, 2));
  host.control(CAPTURE_ON);
  const played = sound(1, 3);
  stream(host, 0x01, 192, played);
  const captured = new Uint8Array(3 * 288);
  assert.deepEqual(stream(host, 0x82, 288, captured), [192, 0, 0]);
  assert.equal(toHex(captured.subarray(0, 192)), toHex(played));
});

test("a late URB shifts the schedule and loses nothing", () => {
  const host = attach();
  const played = [sound(4, 1), sound(4, 2)];
  stream(host, 0x01, 192, played[0]!);
  host.loop.advance(1000);
  const late = submit(host, 0x01, 192, played[1]!);
  host.loop.advance(3.9);
  assert(host.isPending(late), "its four packets take four milliseconds from now");
  host.loop.advance(0.2);
  assert(!host.isPending(late));
  const captured = new Uint8Array(8 * 288);
  stream(host, 0x82, 288, captured);
  assert.equal(toHex(captured.subarray(0, 8 * 192)), toHex(played[0]!) + toHex(played[1]!));
});

test("ten seconds wait for a host that does not read; a packet beyond is not taken, and says so", () => {
  const host = attach();
  for (let i = 0; i < 10; i++) stream(host, 0x01, 192, sound(1000, i));
  assert.deepEqual(stream(host, 0x01, 192, sound(2, 0)), [0, 0]);
});
