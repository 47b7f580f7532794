import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { ServedWire } from "../../test/support/usbip-wire-client.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { DeviceEventsRequest, type HostMessage } from "./device-events.ts";
import type { ExportedDevice, Exports } from "./exports.ts";

const REQUEST = annotatedHex("0111 8e01 00000000 00000001");
const REPLY = "01110e01000000000001000a";

type Entry = { -readonly [K in keyof ExportedDevice]: ExportedDevice[K] };

/** What a host offers, in the test's hands. */
class Offer implements Exports {
  readonly entries: Entry[] = [];
  watchers = 0;
  #changed = (): void => {};

  add(busid: string, serial?: string): Entry {
    const device = new HeldDevice();
    const entry: Entry = { busid, path: "/held", busnum: 1, devnum: 2, device, attached: false, serial };
    this.entries.push(entry);
    this.#changed();
    return entry;
  }

  remove(busid: string): void {
    this.entries.splice(
      this.entries.findIndex((entry) => entry.busid === busid),
      1,
    );
    this.#changed();
  }

  mark(entry: Entry, attached: boolean): void {
    entry.attached = attached;
    this.#changed();
  }

  devices(): Iterable<ExportedDevice> {
    return this.entries;
  }

  find(busid: string): ExportedDevice | undefined {
    return this.entries.find((entry) => entry.busid === busid);
  }

  watch(changed: () => void): () => void {
    this.watchers++;
    this.#changed = changed;
    return () => {
      this.watchers--;
      this.#changed = () => {};
    };
  }
}

/** A guest of that host, which hears what its own reader makes of the bytes. */
class Guest {
  readonly offer = new Offer();
  readonly wire = new ServedWire(this.offer);
  readonly #heard: HostMessage[] = [];
  readonly #request = new DeviceEventsRequest((message) => this.#heard.push(message));

  /** "kind busid" of each message since the last call. */
  hear(): string[] {
    this.#request.receive(Buffer.from(this.wire.received(), "hex"));
    return this.#heard.splice(0).map((message) => {
      if (message.kind === "removed") return `removed ${message.busid}`;
      if (!("device" in message)) return message.kind;
      const { busid, isFree, serial } = message.device;
      return `${message.kind} ${busid} ${isFree ? "free" : "attached"}${serial === undefined ? "" : ` ${serial}`}`;
    });
  }
}

test("the answer and the events have the layout of the document", () => {
  const { offer, wire } = new Guest();
  offer.add("1-2", "Ab");
  wire.send(REQUEST);
  assert.equal(wire.server.phase, "events");
  const device = [
    `2f68656c64${"00".repeat(251)}`, // path
    `312d32${"00".repeat(29)}`, // busid
    "00000001 00000002 00000003", // busnum, devnum, speed
    "1209 0001 0100 ff0000 01 01 01", // numbers, class, configuration and counts
    "00 02 0047", // free, 2 units of the serial number, 71 bytes of descriptors
    "ff000000", // its interface
    "0041 0062", // the serial number
    toHex(new HeldDevice().descriptors),
  ].join("");
  assert.equal(wire.received(), `${REPLY}0001018b00000001${device}0002000000000002`.replaceAll(" ", ""));
  offer.remove("1-2");
  assert.equal(wire.received(), `0005002000000003312d32${"00".repeat(29)}`);
});

test("what is there comes first, then what changes, and nothing twice", () => {
  const guest = new Guest();
  const { offer, wire } = guest;
  const first = offer.add("a", "one");
  wire.send(REQUEST);
  offer.add("b");
  assert.deepEqual(guest.hear(), ["accepted", "present a free one", "snapshot-end", "added b free"]);
  offer.mark(first, true);
  assert.deepEqual(guest.hear(), ["changed a attached one"]);
  offer.mark(first, true);
  assert.deepEqual(guest.hear(), []);
  offer.mark(first, false);
  offer.remove("b");
  assert.deepEqual(guest.hear(), ["removed b", "changed a free one"]);
});

test("a device that leaves and returns within one turn is another one", () => {
  const guest = new Guest();
  guest.offer.add("a");
  guest.wire.send(REQUEST);
  guest.hear();
  guest.offer.remove("a");
  guest.offer.add("a");
  assert.deepEqual(guest.hear(), ["removed a", "added a free"]);
});

test("a guest that does not read is told what has become of it all, and no more", () => {
  const guest = new Guest();
  const { offer, wire } = guest;
  wire.send(REQUEST);
  guest.hear();
  wire.reading = false;
  const kept = offer.add("kept");
  for (let i = 0; i < 1000; i++) {
    const passing = offer.add("passing");
    wire.loop.settle();
    offer.mark(passing, true);
    wire.loop.settle();
    offer.remove("passing");
    wire.loop.settle();
  }
  offer.mark(kept, true);
  const bytes = wire.received();
  assert(bytes.length / 2 < (256 << 10) + 1_000, `${bytes.length / 2} bytes`);
  wire.read();
  const last = wire.received();
  const heard: HostMessage[] = [];
  const request = new DeviceEventsRequest((message) => heard.push(message));
  request.receive(Buffer.from(`${REPLY}0002000000000001${bytes}${last}`, "hex"));
  assert(!heard.some(({ kind }) => kind === "failed"), "no event is missing");
  const end = heard.at(-1)!;
  assert(end.kind === "changed");
  assert.deepEqual([end.device.busid, end.device.isFree], ["kept", false]);
});

test("a silent host says that it is alive, every 10 s and no sooner", () => {
  const guest = new Guest();
  guest.wire.send(REQUEST);
  guest.hear();
  guest.wire.loop.advance(9_999);
  assert.deepEqual(guest.hear(), []);
  guest.wire.loop.advance(1);
  assert.deepEqual(guest.hear(), ["alive"]);
  guest.offer.add("a");
  assert.deepEqual(guest.hear(), ["added a free"]);
  guest.wire.loop.advance(10_000);
  assert.deepEqual(guest.hear(), ["alive"]);
  guest.wire.reading = false;
  guest.wire.loop.advance(100_000);
  assert.deepEqual(guest.hear(), ["alive"], "one that is not read is enough");
});

test("nothing is watched and no timer runs when the guest has gone", () => {
  const { offer, wire } = new Guest();
  wire.send(REQUEST);
  assert.equal(offer.watchers, 1);
  let closed = 0;
  wire.server.disconnected(() => closed++);
  assert.deepEqual([closed, offer.watchers, wire.loop.timers], [1, 0, 0]);
});

test("another version of events is refused, and other requests may follow", () => {
  const { wire } = new Guest();
  wire.send(annotatedHex("0111 8e01 00000000 00000002"), annotatedHex("0111 8005 00000000"));
  assert.equal(wire.received(), "01110e0100000001 011100050000000000000000".replace(" ", ""));
  assert.equal(wire.server.phase, "another");
});

test("exports that tell nobody of changes refuse", () => {
  const wire = new ServedWire({ devices: () => [], find: () => undefined });
  wire.send(REQUEST);
  assert.equal(wire.received(), "01110e0100000001");
});

test("a guest of events that asks for more is cut off", () => {
  for (const pieces of [[Buffer.concat([REQUEST, REQUEST])], [REQUEST, Uint8Array.of(0)]]) {
    const { offer, wire } = new Guest();
    for (const piece of pieces) wire.send(piece);
    assert(wire.ended instanceof ProtocolError);
    assert.equal(wire.ended.code, "BAD_COMMAND");
    assert.deepEqual([offer.watchers, wire.loop.timers], [0, 0]);
  }
});
