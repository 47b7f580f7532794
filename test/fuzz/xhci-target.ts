import type { StubbornDevice } from "../support/stubborn-device.ts";
import { MEMORY_AT, XhciDriver } from "../support/xhci-driver.ts";
import { requireSame, requireSameBytes, type Target } from "./target.ts";
import {
  DRIVER_TALK,
  MEMORY_USED,
  mutateDriver,
  plugDevices,
  READ_ONLY_AT,
  RECORD,
  recordAt,
  Step,
} from "./xhci-corpus.ts";

/** Looks at memory that one thing a guest does may lead to, at most. */
const LOOKS_MAX = 2_000_000;
/** Bytes of data that may be held: the limit of the controller, and what is left over of sizes. */
const HELD_MAX = 64 << 20;
const STEPS_MAX = 4000;
/** A guest that sleeps longer is no better. */
const TIME_MAX_MS = 3000;

const HALTED_BY_ERROR = 0x1004;

/** What a guest that did all right has left behind: rings and contexts to be read. */
const READ_ONLY = memoryOf(DRIVER_TALK[0]!);
/** One for all inputs. */
const MEMORY = new Uint8Array(MEMORY_USED);

function memoryOf(records: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(MEMORY_USED);
  const view = new DataView(bytes.buffer);
  for (const bytesOfStep of records) {
    const { step, place, value } = recordAt(bytesOfStep, 0);
    if (step === Step.memory) view.setUint32(place, value, true);
  }
  return bytes;
}

/** A driver that may do anything, against a controller with two devices. */
export const xhciTarget: Target = {
  name: "XhciController",
  corpus: DRIVER_TALK.map((records) => Buffer.concat(records)),
  mutant: mutateDriver,
  judge(bytes) {
    MEMORY.fill(0);
    const driver = new XhciDriver({ memory: MEMORY });
    const readOnly = READ_ONLY.slice();
    driver.pages.map(READ_ONLY_AT, readOnly, false);
    const stubborn = plugDevices(driver);
    for (let at = 0; at + RECORD <= Math.min(bytes.length, STEPS_MAX * RECORD); at += RECORD) {
      driver.pages.looks = LOOKS_MAX;
      act(driver, stubborn, bytes, at);
      driver.loop.settle();
      if (driver.controller.inFlight.bytes > HELD_MAX) throw new Error("too much memory is held");
    }
    requireSameBytes(readOnly, READ_ONLY, "memory that may only be read");
    const outcome = (driver.usbsts & HALTED_BY_ERROR) === 0 ? "value" : "error";
    beginAnew(driver, stubborn);
    return outcome;
  },
};

function act(driver: XhciDriver, stubborn: StubbornDevice, bytes: Uint8Array, at: number): void {
  const { step, place, value } = recordAt(bytes, at);
  switch (step) {
    case Step.register:
      driver.write(place % 0x1_0000, value);
      break;
    case Step.memory:
      if (place <= MEMORY.length - 4) driver.view.setUint32(place & ~3, value, true);
      break;
    case Step.time:
      driver.loop.advance(value % TIME_MAX_MS);
      stubborn.finishAll({ transfer: value % TIME_MAX_MS, packet: value % TIME_MAX_MS });
      break;
    default:
      driver.controller.unplug(place, () => {});
  }
}

/** Whatever was done to it, after a reset it is a controller as any other. */
function beginAnew(driver: XhciDriver, stubborn: StubbornDevice): void {
  driver.pages.looks = LOOKS_MAX;
  driver.controller.reset();
  driver.loop.advance(1000);
  stubborn.finishAll({ transfer: 10, packet: 10 });
  const { transfers, bytes } = driver.controller.inFlight;
  requireSame(transfers, 0, "transfers that are left");
  requireSame(bytes, 0, "bytes that are left");
  for (const port of [1, 2, 3]) driver.controller.unplug(port, () => {});
  driver.loop.settle();
  driver.reuse();
  plugDevices(driver);
  driver.start();
  driver.loop.advance(10);
  driver.events();
  const slot = driver.setUp(1, 3);
  slot.rings.get(3)!.pushAt(MEMORY_AT, 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, 3);
  driver.loop.advance(1);
  requireSame(driver.events()[0]?.code, 1, "completion code of a transfer after the reset");
  const { data } = driver.control(slot, [0x80, 6, 0, 1, 0, 0, 255, 0]);
  requireSame(data.length, 18, "bytes of a short read");
  const keyboard = driver.setUp(2, 1);
  keyboard.rings.get(3)!.pushAt(MEMORY_AT, 4, (1 << 10) | 0x14);
  keyboard.rings.get(3)!.pushAt(MEMORY_AT, 20, (1 << 10) | 0x24);
  driver.doorbell(keyboard.id, 3);
  driver.loop.advance(10);
  requireSame(driver.events()[0]?.length, 16, "residue of a report of 8 bytes");
  driver.controller.close(() => {});
  driver.loop.advance(1);
  requireSame(driver.loop.timers, 0, "timers");
}
