import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { knownExchange } from "../../src/capture/known-exchange.ts";
import { PacketRing } from "../../src/capture/packet-ring.ts";
import { interfaceDescription, LARGEST_PACKET, sectionHeader } from "../../src/capture/pcapng.ts";
import { ALL_ENDPOINTS, Recorder } from "../../src/capture/recorder.ts";
import { type RecordedDevice, readRecording, UnusableRecording } from "../../src/capture/recording.ts";
import { Tap } from "../../src/capture/tap.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Replay } from "../../src/gadgets/replay.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import type { UsbDevice } from "../../src/usb/device.ts";
import { Speed } from "../../src/usb/speed.ts";
import { TransferType, type Urb } from "../../src/usb/urb.ts";
import { BulkHost } from "../support/bulk-host.ts";
import { DeviceUser } from "./device-user.ts";
import { RecordedHost } from "./recorded-host.ts";

const { interrupt } = TransferType;

/** A device and the file that a recording of it makes. */
class Recorded {
  readonly host: BulkHost;
  readonly #ring = new PacketRing(1 << 20);
  readonly #place: { readonly busnum: number; readonly devnum: number };
  readonly #device: UsbDevice;

  constructor(device: UsbDevice, devnum = 2) {
    this.#place = { busnum: 1, devnum };
    this.#device = device;
    const tap = new Tap(device);
    const request = { ...this.#place, snaplen: LARGEST_PACKET, endpoints: ALL_ENDPOINTS };
    this.host = new BulkHost(tap);
    tap.record(new Recorder(this.#ring, request, 1, () => 1e6 + this.host.loop.now() * 1000));
  }

  get file(): Buffer {
    const about = { name: "x", description: "", bitsPerSecond: 480e6, snaplen: LARGEST_PACKET };
    const head = [sectionHeader("test"), interfaceDescription(about)];
    return Buffer.concat([...head, ...knownExchange(this.#device, this.#place, 0), ...this.#ring.read()]);
  }
}

function read(file: Uint8Array, device?: string): RecordedDevice {
  const recorded = readRecording(file, device);
  assert(!(recorded instanceof UnusableRecording), "message" in recorded ? recorded.message : "");
  return recorded;
}

function refused(file: Uint8Array, device?: string): string {
  const recorded = readRecording(file, device);
  assert(recorded instanceof UnusableRecording);
  return recorded.message;
}

/** A keyboard on which `hi` is typed, half a second later. */
function typing(): Recorded {
  const keyboard = new Keyboard({ speed: Speed.high, text: "hi" });
  const recorded = new Recorded(keyboard);
  const { host } = recorded;
  host.control("21 0a 0000 0000 0000");
  host.control("81 06 0022 0000 4000");
  host.control("80 06 0203 0904 ff00");
  host.loop.advance(500);
  for (let i = 0; i < 4; i++) {
    host.urb(0x81, new Uint8Array(8), interrupt);
    host.loop.advance(100);
  }
  return recorded;
}

test("a replay describes itself and answers as the recorded device did", () => {
  const original = new BulkHost(new Keyboard({ speed: Speed.high }));
  const recording = read(typing().file);
  assert.equal(recording.speed, Speed.high);
  const replay = new Replay({ recording });
  assert.deepEqual(replay.descriptors, new Keyboard({ speed: Speed.high }).descriptors);
  const host = new BulkHost(replay);
  for (const request of [
    "80 06 0001 0000 1200",
    "80 06 0002 0000 ff00",
    "80 06 0203 0904 ff00",
    "81 06 0022 0000 4000",
    "81 06 0022 0000 4000",
    "21 0a 0000 0000 0000",
    "80 08 0000 0000 0100",
  ]) {
    assert.equal(host.control(request), original.control(request), request);
  }
  assert.equal(host.control("80 06 0703 0904 ff00"), "stall", "a string that nobody read");
  assert.equal(host.control("a1 01 0001 0000 0800"), "stall", "a request that nobody made");
});

test("what a device sent comes again, not sooner than it did, and silence follows", () => {
  const original = typing();
  const replay = new Replay({ recording: read(original.file) });
  const host = new BulkHost(replay);
  const seen: string[] = [];
  const urbs: Urb[] = [];
  for (let i = 0; i < 5; i++) urbs.push(host.urb(0x81, new Uint8Array(8), interrupt));
  host.loop.advance(10_000);
  for (const urb of urbs) seen.push(Buffer.from(urb.buffer.subarray(0, urb.actualLength)).toString("hex"));
  assert.deepEqual(seen, [
    "00000b0000000000",
    "0000000000000000",
    "00000c0000000000",
    "0000000000000000",
    "",
  ]);
  host.control("00 09 0100 0000 0000");
  host.loop.advance(10_000);
  const again = host.urb(0x81, new Uint8Array(8), interrupt);
  host.loop.advance(10_000);
  assert.equal(again.buffer[2], 0x0b, "a new configuration begins anew");
});

test("a read waits as long as it did", () => {
  const zero = new Zero();
  const recorded = new Recorded(zero);
  const { host } = recorded;
  host.control("00 09 0300 0000 0000");
  host.in(8);
  const recording = read(recorded.file);
  const late = { ...recording, reads: recording.reads.map((each) => Object.assign(each, { waitMs: 250 })) };
  const again = new BulkHost(new Replay({ recording: late }));
  again.control("00 09 0300 0000 0000");
  const urb = again.urb(0x81, new Uint8Array(8));
  again.loop.advance(249);
  assert.equal(urb.actualLength, 0);
  again.loop.advance(1);
  assert.equal(urb.actualLength, 8);
});

test("a halt is a halt again, and what is written is taken", () => {
  const recorded = new Recorded(new Zero());
  const { host } = recorded;
  host.control("00 09 0300 0000 0000");
  assert.equal(host.out("0102"), "stall");
  host.control("02 01 0000 0100 0000");
  host.in(4);
  const replay = new BulkHost(new Replay({ recording: read(recorded.file) }));
  replay.control("00 09 0300 0000 0000");
  assert.equal(replay.urb(0x01, Uint8Array.of(1, 2)).actualLength, 2);
  assert.equal(replay.in(2), "0000");
  assert.equal(replay.in(2), "0000", "the rest of four bytes");
  assert.equal(replay.in(2), "pending");
});

test("a recording that cannot be replayed says why, and what to do", () => {
  const one = new Recorded(new Keyboard(), 2);
  const two = new Recorded(new Zero(), 3);
  const both = Buffer.concat([one.file, two.file]);
  assert.match(refused(both), /it has the devices 1\.2, 1\.3: say which with device=1\.2/);
  assert.match(refused(both, "1.9"), /say which/);
  assert.equal(read(both, "1.3").descriptors.all.length, new Zero().descriptors.length);
  assert.match(refused(Buffer.from("this is no pcapng")), /cannot be read: .*editcap -F pcapng/);
  assert.match(refused(sectionHeader("x")), /no packet of usbmon \(link type 220\)/);
  const withoutDescriptors = one.file.subarray(0, sectionHeader("test").length + 60);
  assert.match(refused(withoutDescriptors), /no packet|nobody reads the descriptors/);
});

test("any damage to a recording gives a device or a reason, and nothing else", () => {
  const { file } = typing();
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let usable = 0;
  for (let round = 0; round < 3_000; round++) {
    const damaged = Buffer.from(file.subarray(0, random(8) === 0 ? random(file.length) : file.length));
    for (let i = 0; i < 1 + random(4) && damaged.length > 0; i++)
      damaged[random(damaged.length)] = random(256);
    const recording = readRecording(damaged);
    if (recording instanceof UnusableRecording) continue;
    usable++;
    const host = new BulkHost(new Replay({ recording }));
    host.in(8, 0x81, interrupt);
    host.loop.advance(2_000);
  }
  assert(usable > 500);
});

test("a host serves what a command has recorded", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero,serial=abc");
  const path = host.path("zero.pcapng");
  const recording = await host.record("zero", "-o", path);
  const user = await DeviceUser.open(host.address, "zero");
  await user.control("00 09 0300 0000 0000", new Uint8Array(0));
  await user.transfer(0x81, TransferType.bulk, new Uint8Array(64));
  await user.close();
  await recording.end("SIGINT");
  const again = await RecordedHost.start(t, "--gadget", `replay,file=${path}`);
  const guest = await DeviceUser.open(again.address, "replay");
  const serial = await guest.control("80 06 0303 0904 ff00", new Uint8Array(255));
  assert.equal(Buffer.from(serial.buffer.subarray(2, serial.actualLength)).toString("utf16le"), "abc");
  await guest.control("00 09 0300 0000 0000", new Uint8Array(0));
  assert.equal((await guest.transfer(0x81, TransferType.bulk, new Uint8Array(64))).actualLength, 64);
  await guest.close();
  writeFileSync(path, "no recording");
  const refusal = host.run("serve", "--control", "off", "--gadget", `replay,file=${path}`);
  assert.equal(refusal.code, 1);
  assert.match(refusal.stderr, /the recording .* cannot be replayed: .*editcap/);
});
