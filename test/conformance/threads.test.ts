import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { RingGuest } from "../../src/ring/guest.ts";
import type { RingDevice } from "../../src/ring/guest-device.ts";
import { Control, Side } from "../../src/ring/layout.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import { Speed } from "../../src/usb/speed.ts";
import { Order, type ThreadStart } from "./device-thread.ts";
import { zeroTraits } from "./gadget-traits.ts";
import type { PluggedDevice } from "./recording-host.ts";
import { usbDeviceConformance } from "./usb-device.ts";

const THREAD = new URL("./device-thread.js", import.meta.url);
const BYTES = 8 << 20;

/** A device of another thread, over memory that both have: neither side waits in a socket. */
async function plugThread(): Promise<PluggedDevice> {
  const start: ThreadStart = {
    memory: new SharedArrayBuffer(BYTES),
    orders: new SharedArrayBuffer(4),
  };
  const orders = new Int32Array(start.orders);
  const memory = new RingMemory(start.memory);
  const worker = new Worker(THREAD, { workerData: start });
  const exit = once(worker, "exit");
  const loop = new LibuvLoop();
  const device = await new Promise<RingDevice>((resolve) => {
    const guest = new RingGuest(memory, loop, {
      wake: () => void Atomics.notify(memory.words, (Control.guest + Side.bell) >> 2),
      began: () => {},
      ended: () => {},
      added: resolve,
      removed: () => {},
    });
    const look = (): void => {
      do while (guest.poll());
      while (!guest.sleep());
    };
    worker.on("message", look);
    guest.start();
    look();
  });
  return {
    device,
    loop,
    unplug: () => Atomics.store(orders, 0, Order.unplug),
    done: async () => {
      Atomics.store(orders, 0, Order.stop);
      await exit;
    },
  };
}

usbDeviceConformance("zero of another thread", plugThread, {
  ...zeroTraits(Speed.high),
  direct: false,
  most: { bytes: 1 << 20, urbs: 100 },
});
