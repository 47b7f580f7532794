import assert from "node:assert/strict";
import { test } from "node:test";
import { BulkHost } from "../../test/support/bulk-host.ts";
import { Keyboard } from "../gadgets/keyboard.ts";
import { Zero } from "../gadgets/zero.ts";
import { isTraffic } from "./block-reader.ts";
import { knownExchange } from "./known-exchange.ts";
import { PacketRing } from "./packet-ring.ts";
import { LARGEST_PACKET, PACKET_AT } from "./pcapng.ts";
import { ALL_ENDPOINTS, endpointBits, Recorder } from "./recorder.ts";
import { Tap } from "./tap.ts";
import { UsbmonHeader } from "./usbmon.ts";

const PLACE = { busnum: 1, devnum: 2 };

/** The packets of a ring: type and endpoint, and the bytes of data. */
function events(ring: PacketRing): string[] {
  const all = Buffer.concat(ring.read());
  const found: string[] = [];
  for (let at = 0; at < all.length; at += all.readUInt32LE(at + 4)) {
    const packet = at + PACKET_AT;
    const type = String.fromCharCode(UsbmonHeader.type(all, packet));
    found.push(
      `${type} ${UsbmonHeader.epnum(all, packet).toString(16)} ${UsbmonHeader.len_cap(all, packet)}`,
    );
  }
  return found;
}

/** The configuration of `zero` is number 3. */
function configured(tap: Tap): BulkHost {
  const host = new BulkHost(tap);
  host.control("00 09 0300 0000 0000");
  return host;
}

function recorder(ring: PacketRing, endpoints = ALL_ENDPOINTS): Recorder {
  return new Recorder(ring, { ...PLACE, snaplen: LARGEST_PACKET, endpoints }, 1, () => 0);
}

test("a device is recorded while it is in use, from one moment to another", () => {
  const tap = new Tap(new Zero());
  const host = configured(tap);
  host.in(4);
  const ring = new PacketRing(1 << 16);
  const stop = tap.record(recorder(ring));
  host.in(512);
  host.out("00000000");
  assert.deepEqual(events(ring), ["S 81 0", "C 81 512", "S 2 4", "C 2 0"]);
  stop();
  host.in(512);
  assert.deepEqual(events(ring), []);
  assert.equal(tap.recorders, undefined);
});

test("two recordings of one device do not know of each other", () => {
  const tap = new Tap(new Zero());
  const host = configured(tap);
  const [first, second] = [new PacketRing(1 << 16), new PacketRing(1 << 16)];
  const stopFirst = tap.record(recorder(first, endpointBits(0x81)));
  tap.record(recorder(second, endpointBits(0)));
  host.in(8);
  host.control("80 00 0000 0000 0200");
  host.control("00 09 0300 0000 0000");
  stopFirst();
  host.in(8);
  assert.deepEqual(events(first), ["S 81 0", "C 81 8"]);
  assert.deepEqual(events(second), ["S 80 0", "C 80 2", "S 0 0", "C 0 0"]);
});

test("a recording that nobody reads loses packets and keeps none of them from passing", () => {
  const tap = new Tap(new Zero());
  const host = configured(tap);
  const ring = new PacketRing(512);
  tap.record(recorder(ring));
  for (let i = 0; i < 50; i++) assert.equal(host.in(4), "00000000");
  assert.equal(ring.kept + ring.dropped, 100);
  assert(ring.dropped > 90);
});

test("a sink that comes second is refused, and the first keeps its device", () => {
  const tap = new Tap(new Zero());
  const host = configured(tap);
  const reasons: (string | undefined)[] = [];
  tap.open({ complete: () => {}, unplugged: () => {} }, host.loop, (error) => reasons.push(error?.reason));
  assert.deepEqual(reasons, ["busy"]);
  assert.equal(host.in(4), "00000000");
});

test("what is known of a device is told as requests that are no traffic", () => {
  const { descriptors } = new Keyboard();
  const blocks = knownExchange({ descriptors }, PLACE, 5);
  assert.equal(blocks.length, 4);
  const packets = blocks.map((block) => block.subarray(PACKET_AT));
  assert.deepEqual(
    packets.map((packet) => [UsbmonHeader.type(packet, 0), UsbmonHeader.length(packet, 0)]),
    [
      [0x53, 18],
      [0x43, 18],
      [0x53, descriptors.length - 18],
      [0x43, descriptors.length - 18],
    ],
  );
  const data = packets.flatMap((packet) =>
    Array.from(packet.subarray(64, 64 + UsbmonHeader.len_cap(packet, 0))),
  );
  assert.deepEqual(Uint8Array.from(data), descriptors);
  assert(!blocks.some(isTraffic));
  assert.deepEqual(knownExchange({ descriptors: new Uint8Array(3) }, PLACE, 5), []);
});
