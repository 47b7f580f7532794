import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import { RingPump } from "../../../src/daemon/ring/ring-pump.ts";
import { LinkError } from "../../../src/links/link-error.ts";
import { mapPciMemory } from "../../../src/links/pci-memory.ts";
import { openPort } from "../../../src/links/port-link.ts";
import { RingLink } from "../../../src/links/ring-link.ts";
import { RingGuest } from "../../../src/ring/guest.ts";
import { RingMemory } from "../../../src/ring/ring-memory.ts";
import { type LoadReport, LoopbackLoad } from "../../ring-processes/loopback-load.ts";

const PORTS = "/sys/class/virtio-ports";

/** Maps the BAR of a PCI device, has itself woken through a virtio-serial port, and sends so many messages through the device there. */
export async function loadThroughBar(
  device: string,
  portName: string,
  messages: number,
): Promise<LoadReport & { readonly bytes: number; readonly slots: number }> {
  const memory = mapPciMemory({ kind: "ring-pci", device });
  if (memory instanceof LinkError) throw memory;
  const port = readdirSync(PORTS).find(
    (each) => readFileSync(`${PORTS}/${each}/name`, "utf8").trim() === portName,
  );
  assert(port !== undefined, `there is no port ${portName}`);
  const link = openPort(`/dev/${port}`);
  if (link instanceof LinkError) throw link;
  const ring = new RingLink(`pci:${device}`, memory, link);
  const loop = new LibuvLoop();
  return new Promise((resolve, reject) => {
    let load: LoopbackLoad | undefined;
    const guest: RingGuest = new RingGuest(new RingMemory(memory.bytes.buffer), loop, {
      wake: () => ring.wake(),
      began: () => {},
      ended: (error) => reject(error ?? new Error("the host has left")),
      removed: () => {},
      added: (added) => {
        load = new LoopbackLoad(added, loop, () => reject(new Error("the device is gone")));
        load.start();
      },
    });
    const pump = new RingPump(guest, loop);
    ring.start(
      () => pump.heard(),
      (cause) => reject(cause ?? new Error("the port has ended")),
    );
    guest.start();
    pump.heard();
    const timer = setInterval(() => {
      const last = load;
      if (last === undefined || (last.report.messages < messages && last.report.wrong.length === 0)) return;
      clearInterval(timer);
      last.end(() => {
        const slots = guest.usedSlots;
        guest.stop(() => {
          resolve({ ...last.report, bytes: memory.bytes.length, slots });
          ring.destroy();
        });
      });
    }, 10);
  });
}
