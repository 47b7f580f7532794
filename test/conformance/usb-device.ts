import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDescriptors } from "../../src/usb/descriptor-walk.ts";
import type { UsbDevice } from "../../src/usb/device.ts";
import { frameMs } from "../../src/usb/speed.ts";
import {
  isIn,
  PACKET_WORDS,
  PacketWord,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../src/usb/urb.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { type EndpointPlace, type PluggedDevice, RecordingHost } from "./recording-host.ts";

/** What a device has that a promise can be tried on. Promises without their endpoint are not tried. */
export interface UsbDeviceTraits {
  /** The second `open` of this very device can be refused: not for a device at the end of a connection. */
  readonly direct: boolean;
  /** Most bytes of one URB, and most URBs in flight, where there are such limits; 64 URBs at least. */
  readonly most?: { readonly bytes: number; readonly urbs: number };
  /** Always has data: `data` is what a read of that length brings. */
  readonly source?: EndpointPlace & { data(length: number): Uint8Array };
  /** Accepts these bytes, whatever the length. */
  readonly sink?: EndpointPlace & { data(length: number): Uint8Array };
  /** What is written to `out` can be read at `address`, one read for one write. */
  readonly loopback?: EndpointPlace & { readonly out: number };
  /** An IN endpoint that stays silent; an isochronous one is busy with a URB of a second instead. */
  readonly silent: EndpointPlace;
  readonly isoIn?: EndpointPlace & { data(length: number): Uint8Array };
  readonly isoOut?: EndpointPlace;
}

const ok = TransferStatus.ok;
const cancelled = TransferStatus.cancelled;
const stall = TransferStatus.stall;

/** The longest a cancelled URB may take, on the device's loop. */
const CANCEL_MS = 1000;

/** The promises of src/usb/device.ts, tried on one implementer. */
export function usbDeviceConformance(
  name: string,
  plug: () => Promise<PluggedDevice>,
  traits: UsbDeviceTraits,
): void {
  const { bytes: mostBytes, urbs: mostUrbs } = traits.most ?? { bytes: Infinity, urbs: Infinity };
  const carried = (length: number): boolean => length <= mostBytes;

  const promise = (title: string, body: (host: RecordingHost, device: UsbDevice) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const plugged = await plug();
      const host = new RecordingHost(plugged);
      assert.equal(await host.open(), undefined, "open");
      await body(host, plugged.device);
      await host.end();
    });
  };

  promise("the descriptors parse and are what GET_DESCRIPTOR sends", async (host, device) => {
    const parsed = parseDescriptors(device.descriptors);
    assert(!(parsed instanceof ProtocolError));
    assert.equal(parsed.configurations.length, parsed.device.bNumConfigurations);
    const read = (type: number, index: number, length: number) =>
      host.control(Uint8Array.of(0x80, 6, index, type, 0, 0, length & 0xff, length >> 8));
    assert.deepEqual((await read(1, 0, 64)).bytes, device.descriptors.slice(0, 18));
    assert.deepEqual((await read(1, 0, 8)).bytes, device.descriptors.slice(0, 8));
    for (const [index, { bytes }] of parsed.configurations.entries()) {
      assert.deepEqual((await read(2, index, 9)).bytes, bytes.slice(0, 9));
      assert.deepEqual((await read(2, index, 4096)).bytes, bytes.slice());
    }
    assert.equal((await read(2, parsed.configurations.length, 9)).status, stall);
  });

  promise(
    "control requests go in and out, an unknown one stalls and the next works",
    async (host, device) => {
      await host.reach(traits.silent);
      const read = () => host.control(annotatedHex("80 08 0000 0000 0100  GET_CONFIGURATION"));
      const before = await read();
      assert.deepEqual([before.status, ...before.bytes], [ok, traits.silent.configuration]);
      assert.equal(device.configuration, traits.silent.configuration);
      const unknown = await host.control(annotatedHex("c0 ee 3412 0000 0400  a vendor request"));
      assert.deepEqual([unknown.status, unknown.actualLength], [stall, 0]);
      assert.deepEqual((await read()).bytes, before.bytes);
    },
  );

  promise("control requests complete in order", async (host) => {
    const urbs = Array.from({ length: 32 }, (_, i) =>
      host.controlUrb(
        i % 3 === 0 ? Uint8Array.of(0xc0, 0xee, i, 0, 0, 0, 1, 0) : Uint8Array.of(0x80, 6, 0, 1, 0, 0, i, 0),
      ),
    );
    await completesInOrder(host, urbs);
  });

  promise("reading less than asked for is fine, and an error only with shortNotOk", async (host) => {
    const setup = annotatedHex("80 06 0001 0000 4000  GET_DESCRIPTOR, 64 bytes of 18");
    const patient = await host.control(setup);
    assert.deepEqual([patient.status, patient.actualLength], [ok, 18]);
    const strict = host.controlUrb(setup);
    strict.flags = UrbFlag.shortNotOk;
    const refused = await host.transfer(strict);
    assert.deepEqual([refused.status, refused.actualLength], [TransferStatus.short, 18]);
    assert.deepEqual(refused.bytes, patient.bytes);
  });

  if (traits.direct) {
    promise("a second sink is refused as busy", async (host) => {
      const refused = await new RecordingHost(host.plugged).open();
      assert.equal(refused?.reason, "busy");
      assert.notEqual(refused?.message, "");
    });
  }

  const { source, sink, loopback, silent, isoIn, isoOut } = traits;

  if (source !== undefined) {
    promise("reads bring the device's bytes, also none and odd ones", async (host) => {
      const { type } = await host.reach(source);
      for (const length of [0, 1, 63, 512, 1025, 70_001].filter(carried)) {
        const read = await host.transfer(host.urb(type, source.address, length));
        assert.deepEqual([read.status, read.actualLength], [ok, length]);
        assert.deepEqual(read.bytes, source.data(length));
      }
    });

    promise("reads that may be lent their bytes bring the same ones", async (host) => {
      const { type } = await host.reach(source);
      for (const length of [0, 1, 1025, 16_384, 16_385, 16_384].filter(carried)) {
        const urb = host.urb(type, source.address, length);
        urb.flags = UrbFlag.mayLend;
        const read = await host.transfer(urb);
        assert.deepEqual([read.status, read.actualLength], [ok, length]);
        assert.deepEqual(read.bytes, source.data(length));
      }
    });

    promise("32 reads in flight complete in order", async (host) => {
      const { type } = await host.reach(source);
      await completesInOrder(
        host,
        Array.from({ length: 32 }, (_, i) => host.urb(type, source.address, 700 * (i % 5))),
      );
    });

    promise("a URB that has completed is not cancelled any more", async (host) => {
      const { type } = await host.reach(source);
      const urb = host.urb(type, source.address, 100);
      assert.equal((await host.transfer(urb)).status, ok);
      host.cancel(urb);
      host.flush();
      await host.idle(20);
      assert.equal(host.completions.filter((completion) => completion.urb === urb).length, 1);
    });

    promise("a URB cancelled while it finishes completes once, with all of its result", async (host) => {
      const { type } = await host.reach(source);
      const urb = host.urb(type, source.address, 100);
      host.submit(urb);
      host.cancel(urb);
      host.flush();
      const result = await host.completion(urb);
      if (result.status === ok) assert.deepEqual(result.bytes, source.data(100));
      else assert.equal(result.status, cancelled);
    });

    promise("a halted endpoint stalls until the halt is cleared", async (host) => {
      const { type } = await host.reach(source);
      const request = (kind: number, bRequest: number, wLength: number) =>
        host.control(Uint8Array.of(kind, bRequest, 0, 0, source.address, 0, wLength, 0));
      const read = async () => (await host.transfer(host.urb(type, source.address, 64))).status;
      assert.deepEqual((await request(0x82, 0, 2)).bytes, Uint8Array.of(0, 0));
      assert.equal((await request(0x02, 3, 0)).status, ok);
      assert.deepEqual((await request(0x82, 0, 2)).bytes, Uint8Array.of(1, 0));
      assert.deepEqual([await read(), await read()], [stall, stall]);
      assert.equal((await request(0x02, 1, 0)).status, ok);
      assert.deepEqual((await request(0x82, 0, 2)).bytes, Uint8Array.of(0, 0));
      assert.equal(await read(), ok);
    });
  }

  if (sink !== undefined) {
    promise("writes are taken whole, also empty ones", async (host) => {
      const { type } = await host.reach(sink);
      for (const length of [0, 1, 64, 513, 4096, 70_001].filter(carried)) {
        const written = await host.transfer(host.urb(type, sink.address, sink.data(length)));
        assert.deepEqual([written.status, written.actualLength], [ok, length]);
      }
    });
  }

  if (loopback !== undefined) {
    promise("written bytes arrive as they are", async (host) => {
      const { type } = await host.reach(loopback);
      const random = randomNumbers(1);
      for (const length of [1, 0, 64, 100, 512, 1024, 5000, 65_536, 100_000].filter(carried)) {
        const bytes = Uint8Array.from({ length }, () => random(256));
        const write = host.urb(type, loopback.out, bytes);
        const read = host.urb(type, loopback.address, length);
        host.submit(write);
        host.submit(read);
        host.flush();
        assert.deepEqual(statusAndLength(await host.completion(write)), [ok, length]);
        const back = await host.completion(read);
        assert.deepEqual(statusAndLength(back), [ok, length]);
        assert.deepEqual(back.bytes, bytes);
      }
    });

    promise("a short read is an error with shortNotOk, and keeps its bytes", async (host) => {
      const { type } = await host.reach(loopback);
      for (const flags of [0, UrbFlag.shortNotOk]) {
        await host.transfer(host.urb(type, loopback.out, Uint8Array.of(1, 2, 3)));
        const read = host.urb(type, loopback.address, 10);
        read.flags = flags;
        const result = await host.transfer(read);
        assert.equal(result.status, flags === 0 ? ok : TransferStatus.short);
        assert.deepEqual(result.bytes, Uint8Array.of(1, 2, 3));
      }
    });

    promise("32 reads and 32 writes in flight complete in order with their bytes", async (host) => {
      const { type } = await host.reach(loopback);
      const reads = Array.from({ length: 32 }, () => host.urb(type, loopback.address, 3000));
      const writes = Array.from({ length: 32 }, (_, i) =>
        host.urb(type, loopback.out, new Uint8Array(90 * i).fill(i)),
      );
      for (const urb of [...reads, ...writes]) host.submit(urb);
      host.flush();
      await host.wait("64 URBs", () => host.inFlight.size === 0);
      const order = host.completions.map(({ urb }) => urb);
      assert.deepEqual(tags(order.filter((urb) => reads.includes(urb))), tags(reads));
      assert.deepEqual(tags(order.filter((urb) => writes.includes(urb))), tags(writes));
      for (const [i, read] of reads.entries()) {
        assert.deepEqual((await host.completion(read)).bytes, new Uint8Array(90 * i).fill(i));
      }
    });
  }

  promise("a cancelled read completes once, as cancelled, ahead of older ones", async (host) => {
    const { type } = await host.reach(silent);
    const urbs = Array.from({ length: 3 }, () => waiting(host, type, silent.address));
    for (const urb of urbs) host.submit(urb);
    host.flush();
    await host.idle(20);
    assert.equal(host.inFlight.size, 3, "the endpoint is silent");
    const startMs = host.plugged.loop.now();
    for (const i of [1, 2, 0]) {
      host.cancel(urbs[i]!);
      host.cancel(urbs[i]!);
      host.flush();
      assert.equal((await host.completion(urbs[i]!)).status, cancelled);
    }
    assert(host.plugged.loop.now() - startMs < CANCEL_MS);
    assert.deepEqual(
      tags(host.completions.slice(-3).map(({ urb }) => urb)),
      tags([urbs[1]!, urbs[2]!, urbs[0]!]),
    );
  });

  promise("cancelling a URB that was never submitted does nothing", async (host) => {
    const { type } = await host.reach(silent);
    const done = host.completions.length;
    host.cancel(host.urb(type, silent.address, 8));
    host.cancel(host.urb(type, 0x8f, 8));
    host.flush();
    await host.idle(20);
    assert.equal(host.completions.length, done);
  });

  promise("a halt stalls a read that is pending", async (host) => {
    const { type } = await host.reach(silent);
    // Isochronous endpoints have no halt (USB 2.0 §5.6.4).
    if (type === TransferType.isochronous) return;
    const read = waiting(host, type, silent.address);
    host.submit(read);
    host.flush();
    await host.control(Uint8Array.of(0x02, 3, 0, 0, silent.address, 0, 0, 0));
    assert.equal((await host.completion(read)).status, stall);
    await host.control(Uint8Array.of(0x02, 1, 0, 0, silent.address, 0, 0, 0));
    const next = waiting(host, type, silent.address);
    host.submit(next);
    host.flush();
    await host.idle(20);
    assert(host.inFlight.has(next));
  });

  promise("a change of the configuration ends pending transfers", async (host) => {
    const { type } = await host.reach(silent);
    const read = waiting(host, type, silent.address);
    host.submit(read);
    host.flush();
    await host.control(Uint8Array.of(0x00, 9, silent.configuration, 0, 0, 0, 0, 0));
    assert.equal((await host.completion(read)).status, cancelled);
  });

  promise("a reset ends pending transfers and unconfigures the device", async (host, device) => {
    const { type } = await host.reach(silent);
    const read = waiting(host, type, silent.address);
    host.submit(read);
    host.flush();
    assert.equal(await host.reset(), ok);
    assert.equal(host.inFlight.size, 0, "completed before the reset was done");
    assert.equal((await host.completion(read)).status, cancelled);
    assert.equal(device.configuration, 0);
    const { bytes } = await host.control(annotatedHex("80 08 0000 0000 0100  GET_CONFIGURATION"));
    assert.deepEqual(bytes, Uint8Array.of(0));
  });

  promise("close ends pending transfers, and the device opens again, unconfigured", async (host, device) => {
    const { type } = await host.reach(silent);
    const urbs = Array.from({ length: 5 }, () => waiting(host, type, silent.address));
    for (const urb of urbs) host.submit(urb);
    host.flush();
    await host.close();
    assert.equal(host.inFlight.size, 0, "completed before the device was closed");
    for (const urb of urbs) assert.equal((await host.completion(urb)).status, cancelled);
    assert.equal(await host.open(), undefined);
    assert.equal(device.configuration, 0);
    await host.reach(silent);
  });

  const other = isoIn ?? isoOut;
  if (other !== undefined) {
    promise("SET_CONFIGURATION to the active value resets every alternate setting", async (host) => {
      await host.reach(other);
      const { interfaceNumber = 0, configuration, alternate = 0 } = other;
      const read = async () =>
        (await host.control(Uint8Array.of(0x81, 10, 0, 0, interfaceNumber, 0, 1, 0))).bytes;
      assert.deepEqual(await read(), Uint8Array.of(alternate));
      await host.control(Uint8Array.of(0x00, 9, configuration, 0, 0, 0, 0, 0));
      assert.deepEqual(await read(), Uint8Array.of(0));
    });
  }

  for (const place of [isoIn, isoOut]) {
    if (place === undefined) continue;
    const direction = isIn(place.address) ? "reads" : "writes";
    promise(`isochronous ${direction} fill the packet table, each packet at its place`, async (host) => {
      const { intervalBytes } = await host.reach(place);
      const lengths = [intervalBytes, 0, 1, intervalBytes - 1];
      const urb = isochronous(host, place.address, lengths, 5);
      host.submit(urb);
      host.flush();
      const result = await host.completion(urb);
      assert.deepEqual([result.status, urb.errorCount], [ok, 0]);
      let sum = 0;
      for (const [i, length] of lengths.entries()) {
        const packet = urb.packets.subarray(i * PACKET_WORDS);
        assert.equal(packet[PacketWord.status], ok, `packet ${i}`);
        assert.equal(packet[PacketWord.length], length);
        const moved = packet[PacketWord.actualLength]!;
        if (place === isoIn) {
          const at = packet[PacketWord.offset]!;
          assert(moved <= length, `packet ${i}`);
          assert.deepEqual(result.memory.slice(at, at + moved), isoIn.data(moved), `packet ${i}`);
        } else {
          assert.equal(moved, length, `packet ${i}`);
        }
        sum += moved;
      }
      assert.equal(result.actualLength, sum);
      assert(sum > 0);
    });

    promise(`isochronous ${direction} take as long as their intervals, in order`, async (host, device) => {
      const { interval, intervalBytes } = await host.reach(place);
      const lengths = Array.from({ length: 16 }, () => intervalBytes);
      const urbs = Array.from({ length: 4 }, () => isochronous(host, place.address, lengths, 0));
      const startMs = host.plugged.loop.now();
      await completesInOrder(host, urbs);
      const leastMs = 4 * 16 * interval * frameMs(device.speed);
      const tookMs = host.plugged.loop.now() - startMs;
      assert(tookMs >= leastMs, `${tookMs} of ${leastMs} ms`);
      assert(tookMs < leastMs + CANCEL_MS, `${tookMs} ms for ${leastMs}`);
    });
  }

  promise("200 rounds of submit and cancel: every URB completes exactly once", async (host) => {
    const places = [loopback, loopback && { ...loopback, address: loopback.out }, silent].filter(
      (place) => place !== undefined && place.configuration === silent.configuration,
    ) as EndpointPlace[];
    const { type } = await host.reach(silent);
    const random = randomNumbers(20_231);
    const submitted: Urb[] = [];
    for (let round = 0; round < 200; round++) {
      for (let i = random(5); i > 0 && host.inFlight.size < mostUrbs; i--) {
        const urb = host.urb(type, places[random(places.length)]!.address, 1 + random(3000));
        submitted.push(urb);
        host.submit(urb);
      }
      for (let i = random(4); i > 0; i--) {
        const urb = submitted[random(submitted.length + 1)];
        if (urb !== undefined) host.cancel(urb);
      }
      if (random(3) > 0) host.flush();
      if (random(8) === 0) await host.idle(1);
    }
    for (const urb of submitted) host.cancel(urb);
    host.flush();
    await host.wait("the cancelled URBs", () => host.inFlight.size === 0);
    const counts = new Map<Urb, number>();
    for (const { urb } of host.completions) counts.set(urb, (counts.get(urb) ?? 0) + 1);
    assert.deepEqual(
      submitted.filter((urb) => counts.get(urb) !== 1).map(({ tag }) => tag),
      [],
    );
  });

  test(`${name}: unplugging ends transfers as disconnected, then tells the host once`, async (context) => {
    const plugged = await plug();
    if (plugged.unplug === undefined) {
      context.skip("cannot be unplugged from here");
      await plugged.done();
      return;
    }
    const host = new RecordingHost(plugged);
    assert.equal(await host.open(), undefined);
    const { type } = await host.reach(silent);
    const read = waiting(host, type, silent.address);
    host.submit(read);
    host.flush();
    plugged.unplug();
    await host.wait("unplugged", () => host.unplugs > 0);
    assert.equal((await host.completion(read)).status, TransferStatus.disconnected);
    await host.close();
    await host.idle(20);
    assert.equal(host.unplugs, 1);
    if (traits.direct) assert.equal((await host.open())?.reason, "gone");
    await host.end();
  });
}

/** A URB that does not complete by itself, or not for a second. */
function waiting(host: RecordingHost, type: TransferType, address: number): Urb {
  if (type !== TransferType.isochronous) return host.urb(type, address, 8);
  return isochronous(
    host,
    address,
    Array.from({ length: 1000 }, () => 0),
    0,
  );
}

async function completesInOrder(host: RecordingHost, urbs: readonly Urb[]): Promise<void> {
  const before = host.completions.length;
  for (const urb of urbs) host.submit(urb);
  host.flush();
  await host.wait(`${urbs.length} URBs`, () => host.inFlight.size === 0);
  const order = host.completions.slice(before).map(({ urb }) => urb);
  assert.deepEqual(tags(order), tags(urbs));
}

function isochronous(host: RecordingHost, address: number, lengths: readonly number[], gap: number): Urb {
  const total = lengths.reduce((sum, length) => sum + length + gap, 0);
  const urb = host.urb(TransferType.isochronous, address, total);
  urb.flags = UrbFlag.isoAsap;
  urb.packetCount = lengths.length;
  urb.packets = new Int32Array(lengths.length * PACKET_WORDS);
  let offset = 0;
  for (const [i, length] of lengths.entries()) {
    urb.packets.set([offset, length, 0, TransferStatus.notDone], i * PACKET_WORDS);
    offset += length + gap;
  }
  return urb;
}

function statusAndLength({ status, actualLength }: { status: number; actualLength: number }): number[] {
  return [status, actualLength];
}

function tags(urbs: readonly Urb[]): number[] {
  return urbs.map(({ tag }) => tag);
}

/** A linear congruential generator: `next(n)` is below n, and the same in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
