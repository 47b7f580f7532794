import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { createGadget, parseGadgetSpec } from "../gadgets/catalog.ts";
import { CALL_WORDS } from "../linux/call-list.ts";
import { libc } from "../linux/libc.ts";
import { SystemError } from "../linux/system-error.ts";
import { DeviceDescriptor } from "../usb/descriptors.ts";
import { Speed } from "../usb/speed.ts";
import type { HardwareDevice } from "./hardware-device.ts";
import { type Calls, STALLED, ToldDescriptors } from "./told-descriptors.ts";
import { UsbfsCalls } from "./usbfs/usbfs-calls.ts";

const EPIPE = 32;
const LANGUAGES = [4, 3, 0x07, 0x04];
/** Manufacturer, product and serial number of the board are 1, 2 and 3. */
const WORDS = [6, 3, 0x41, 0, 0xe4, 0];

function board(strings: Partial<HardwareDevice>): HardwareDevice {
  const specification = parseGadgetSpec("serial");
  const { descriptors } = createGadget(specification as Parameters<typeof createGadget>[0]);
  DeviceDescriptor.put.bcdUSB(descriptors, 0, 0x0110);
  for (const [i, put] of (["iManufacturer", "iProduct", "iSerialNumber"] as const).entries()) {
    DeviceDescriptor.put[put](descriptors, 0, i + 1);
  }
  const place = { busid: "1-1", busnum: 1, devnum: 4, path: "", node: "", interfaces: [] };
  return { ...place, speed: Speed.full, configuration: 1, descriptors, ...strings };
}

/** A device behind usbfs that answers each control request as `answer` says; what it was asked. */
function usbfs(answer: (setup: readonly number[]) => readonly number[] | undefined) {
  const c = libc();
  const list = UsbfsCalls.of(board({}));
  assert(!(c instanceof SystemError) && list instanceof UsbfsCalls);
  list.fd = 9;
  const asked: (readonly number[])[] = [];
  const calls: Calls = {
    run(fill, done) {
      list.clear();
      fill(list);
      const words = new Int32Array(list.list.length * CALL_WORDS);
      list.list.copyTo(words, 0);
      for (let at = 0; at < words.length; at += CALL_WORDS) {
        assert.deepEqual([words[at], words[at + 1], words[at + 2]! >>> 0], [0, 9, 0xc0185500]);
        const struct = c.view((words[at + 4]! >>> 0) * 2 ** 32 + (words[at + 3]! >>> 0), 24);
        const setup = [...new Uint8Array(struct, 0, 8)];
        asked.push(setup);
        const bytes = answer(setup);
        words[at + 5] = bytes === undefined ? -EPIPE : bytes.length;
        const data = Number(new DataView(struct).getBigUint64(16, true));
        new Uint8Array(c.view(data, 255)).set(bytes ?? []);
      }
      list.list.takeResults(words, 0);
      done(list);
    },
  };
  return { calls, asked };
}

const request = (index: number, language: number, ...last: number[]): number[] => [
  0x80,
  6,
  index,
  3,
  language & 0xff,
  language >> 8,
  ...(last.length > 0 ? last : [255, 0]),
];

test("the strings that the kernel has read are asked for once, in the first language", onLinux, () => {
  const device = usbfs((setup) => (setup[2] === 0 ? LANGUAGES : WORDS));
  const told = new ToldDescriptors(board({ manufacturer: "Aä", serial: "Aä" }));
  let done = 0;
  told.read(device.calls, () => done++);
  assert.deepEqual([done, device.asked], [1, [request(0, 0), request(1, 0x0407), request(3, 0x0407)]]);
  const answers = [request(0, 0), request(1, 0x0407, 2, 0), request(3, 0x0407)].map((setup) =>
    told.answer(Uint8Array.from(setup)),
  );
  assert.deepEqual(
    answers.map((bytes) => bytes instanceof Uint8Array && Array.from(bytes)),
    [LANGUAGES, WORDS, WORDS],
  );
  for (const setup of [
    request(2, 0x0407),
    request(1, 0x0409),
    [0x80, 6, 0, 1, 0, 0, 18, 0],
    [0x81, 6, 0, 3, 0, 0, 255, 0],
    [0x00, 9, 0, 3, 0, 0, 0, 0],
  ])
    assert.equal(told.answer(Uint8Array.from(setup)), undefined);
});

test(
  "what the device does not answer, or not as a string, it is asked again by whoever wants it",
  onLinux,
  () => {
    for (const answer of [
      () => undefined,
      () => [],
      () => [4, 3, 9],
      () => [2, 3],
      (setup: readonly number[]) => (setup[2] === 0 ? LANGUAGES : [6, 4, 0, 0, 0, 0]),
    ]) {
      const device = usbfs(answer);
      const told = new ToldDescriptors(board({ product: "x" }));
      let done = 0;
      told.read(device.calls, () => done++);
      assert.equal(done, 1);
      assert.equal(told.answer(Uint8Array.from(request(2, 0x0407))), undefined);
    }
  },
);

test("qualifier and BOS of a newer device are asked for, and it may stall", onLinux, () => {
  const bos = [5, 15, 8, 0, 1, 3, 16, 2];
  const device = usbfs((setup) => (setup[3] === 15 ? bos : undefined));
  const hardware = board({});
  DeviceDescriptor.put.bcdUSB(hardware.descriptors, 0, 0x0210);
  const told = new ToldDescriptors(hardware);
  let done = 0;
  told.read(device.calls, () => done++);
  assert.equal(done, 1);
  assert.deepEqual(device.asked, [
    [0x80, 6, 0, 6, 0, 0, 255, 0],
    [0x80, 6, 0, 15, 0, 0, 255, 0],
  ]);
  assert.equal(told.answer(Uint8Array.of(0x80, 6, 0, 6, 0, 0, 10, 0)), STALLED);
  assert.deepEqual(told.answer(Uint8Array.of(0x80, 6, 0, 15, 0, 0, 5, 0)), Uint8Array.from(bos));
});

test("what the kernel knows that a device does not stand it is not asked", onLinux, (context) => {
  const path = mkdtempSync(join(tmpdir(), "usbferry-told-"));
  context.after(() => rmSync(path, { recursive: true }));
  const asked = (quirks: string): (readonly number[])[] => {
    writeFileSync(join(path, "quirks"), `${quirks}\n`);
    const device = usbfs((setup) => (setup[3] === 3 ? LANGUAGES : []));
    const hardware = board({ path, product: "x" });
    DeviceDescriptor.put.bcdUSB(hardware.descriptors, 0, 0x0210);
    new ToldDescriptors(hardware).read(device.calls, () => {});
    return device.asked.map(([, , index, type]) => [type!, index!]);
  };
  assert.deepEqual(asked("0x0"), [
    [3, 0],
    [6, 0],
    [15, 0],
    [3, 2],
  ]);
  assert.deepEqual(asked("0x1"), [
    [6, 0],
    [15, 0],
  ]);
  assert.deepEqual(asked("0x20100"), [
    [3, 0],
    [3, 2],
  ]);
});

test("a device without strings is asked nothing", onLinux, () => {
  const device = usbfs(() => assert.fail());
  let done = 0;
  new ToldDescriptors(board({})).read(device.calls, () => done++);
  assert.deepEqual([done, device.asked], [1, []]);
});
