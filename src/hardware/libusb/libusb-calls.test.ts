import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { TransferStatus } from "../../usb/urb.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import type { Libusb } from "./library.ts";
import { LibusbCalls } from "./libusb-calls.ts";

const BOARD: HardwareDevice = {
  busid: "1-2",
  busnum: 1,
  devnum: 7,
  path: "libusb/1-2",
  node: "1.7",
  speed: 2,
  descriptors: Uint8Array.of(18, 1, 0, 2, 0, 0, 0, 64, 0x41, 0x23, 0x36, 0x80, 0, 1, 1, 2, 3, 1),
  configuration: 1,
  product: "Board",
  interfaces: [],
};
const [CONTEXT, HANDLE, LIST] = [0x1000, 0x2000, 0x3000];

/** A libusb that answers as it is told, and writes down what it was asked. */
class Answering {
  readonly asked: string[] = [];
  /** Codes by name; 0 for those that are not here. */
  readonly codes: Readonly<Record<string, number>>;
  readonly #devices: readonly number[];

  /** Devices are numbers of their own on bus 1. */
  constructor(devices: readonly number[], codes: Readonly<Record<string, number>> = {}) {
    this.#devices = devices;
    this.codes = codes;
  }

  get library(): Libusb {
    const outs: Readonly<Record<string, number>> = { init: CONTEXT, open: HANDLE, getDeviceList: LIST };
    const target = {
      memory: {
        view: () => BigUint64Array.of(...this.#devices.map(BigInt), 0n).buffer,
      },
      errorName: (code: number) => `LIBUSB_ERROR_${-code}`,
      getBusNumber: () => 1,
      getDeviceAddress: (device: number) => device,
      freeDeviceList: () => void this.asked.push("freeDeviceList"),
    };
    const answer = (name: string) => ({
      async: (...parameters: readonly unknown[]) => {
        const done = parameters.at(-1) as (error: unknown, code: number) => void;
        const numbers = parameters.filter((each) => typeof each === "number" && each !== CONTEXT);
        this.asked.push([name, ...numbers.map((each) => (each === HANDLE ? "it" : each))].join(" "));
        const out = parameters.find((each) => each instanceof BigUint64Array);
        const code = this.codes[name] ?? (name === "getDeviceList" ? this.#devices.length : 0);
        if (out !== undefined && code >= 0) out[0] = BigInt(outs[name]!);
        queueMicrotask(() => done(null, code));
      },
    });
    const get = (_: unknown, name: string): unknown => target[name as keyof typeof target] ?? answer(name);
    return new Proxy(target, { get }) as unknown as Libusb;
  }
}

function callsOf(libusb: Answering, letGo: (done: () => void) => void = (done) => done()): LibusbCalls {
  return new LibusbCalls(BOARD, libusb.library, letGo);
}

function make(calls: LibusbCalls): Promise<void> {
  return new Promise((resolve) => {
    if (!calls.make(new ManualLoop(), resolve)) resolve();
  });
}

async function openCalls(libusb: Answering, letGo?: (done: () => void) => void): Promise<LibusbCalls> {
  const calls = callsOf(libusb, letGo);
  const place = calls.open();
  await make(calls);
  assert.equal(calls.opened(place), undefined);
  calls.clear();
  libusb.asked.length = 0;
  return calls;
}

test("a device is found by the numbers of its bus and of its own, in a list of its own context", async () => {
  const libusb = new Answering([3, 7, 9]);
  const calls = callsOf(libusb);
  calls.open();
  await make(calls);
  assert.deepEqual(libusb.asked, ["init", "getDeviceList", "open 7", "freeDeviceList"]);
  assert.deepEqual([calls.context, calls.handle], [CONTEXT, HANDLE]);
});

test("a device that is not there, or cannot be opened, leaves nothing behind", async () => {
  for (const [libusb, reason] of [
    [new Answering([3, 9]), "gone"],
    [new Answering([7], { open: -3 }), "denied"],
    [new Answering([], { getDeviceList: -11 }), "gone"],
  ] as const) {
    const calls = callsOf(libusb);
    const place = calls.open();
    await make(calls);
    assert.equal(calls.opened(place)?.reason, reason);
    assert.deepEqual([libusb.asked.at(-1), calls.context, calls.handle], ["exit", 0, 0]);
  }
  const poor = new Answering([7], { init: -11 });
  const calls = callsOf(poor);
  const place = calls.open();
  await make(calls);
  assert.equal(calls.opened(place)?.reason, "failed");
  assert.deepEqual(poor.asked, ["init"]);
});

test("calls are made one after the other, whatever became of the one before", async () => {
  const libusb = new Answering([7], { detachKernelDriver: -5, setInterfaceAltSetting: -9, clearHalt: -4 });
  const calls = await openCalls(libusb);
  const places = [calls.claim(2), calls.setInterface(2, 1), calls.clearHalt(0x81), calls.setConfiguration(3)];
  assert.deepEqual(libusb.asked, []);
  await make(calls);
  assert.deepEqual(libusb.asked, [
    "detachKernelDriver it 2",
    "claimInterface it 2",
    "setInterfaceAltSetting it 2 1",
    "clearHalt it 129",
    "setConfiguration it 3",
  ]);
  assert.deepEqual(
    places.map((place) => calls.status(place)),
    [TransferStatus.ok, TransferStatus.stall, TransferStatus.disconnected, TransferStatus.ok],
  );
});

test("a device that a reset has made another one is gone", async () => {
  const calls = await openCalls(new Answering([7], { resetDevice: -5 }));
  const place = calls.reset([0, 1]);
  await make(calls);
  assert.deepEqual([calls.worked(place), calls.status(place)], [false, TransferStatus.disconnected]);
});

test("interfaces that a driver has are told, where the system knows", async () => {
  const calls = await openCalls(new Answering([7], { kernelDriverActive: 1 }));
  calls.look([0, 2]);
  await make(calls);
  assert.deepEqual(
    calls.looked().map(({ interfaceNumber }) => interfaceNumber),
    [0, 2],
  );
  const windows = await openCalls(new Answering([7], { kernelDriverActive: -12 }));
  windows.look([0]);
  await make(windows);
  assert.deepEqual(windows.looked(), []);
});

test("what a control read brings is as long as its result", async () => {
  const calls = await openCalls(new Answering([7], { controlTransfer: 4 }));
  const setup = Uint8Array.of(0x80, 6, 0, 3, 0, 0, 255, 0);
  const place = calls.controlIn(setup, 255, 200);
  await make(calls);
  assert.equal(calls.answer(place).length, 4);
  const stalled = await openCalls(new Answering([7], { controlTransfer: -9 }));
  const none = stalled.controlIn(setup, 255, 200);
  await make(stalled);
  assert.deepEqual([stalled.answer(none).length, stalled.status(none)], [0, TransferStatus.stall]);
});

test("a device is closed when nobody is inside of libusb any more, and its context after it", async () => {
  const libusb = new Answering([7]);
  let stopped: (() => void) | undefined;
  const calls = await openCalls(libusb, (done) => {
    stopped = done;
  });
  calls.close();
  const closed = make(calls);
  await Promise.resolve();
  assert.deepEqual(libusb.asked, []);
  stopped!();
  await closed;
  assert.deepEqual([libusb.asked, calls.context, calls.handle], [["close it", "exit"], 0, 0]);
});

test("nothing is asked of a device that was closed", async () => {
  const libusb = new Answering([7]);
  const calls = await openCalls(libusb);
  calls.close();
  await make(calls);
  calls.clear();
  libusb.asked.length = 0;
  const places = [
    calls.controlIn(Uint8Array.of(0x80, 6, 0, 3, 0, 0, 255, 0), 255, 200),
    calls.reset([0]),
    calls.release(0),
  ];
  await make(calls);
  assert.deepEqual(
    places.map((place) => calls.status(place)),
    [TransferStatus.disconnected, TransferStatus.disconnected, TransferStatus.disconnected],
  );
  assert.deepEqual([libusb.asked, calls.answer(places[0]!).length], [[], 0]);
});
