import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import { RingPump } from "../../../src/daemon/ring/ring-pump.ts";
import { Zero } from "../../../src/gadgets/zero.ts";
import { LINK_LIMITS } from "../../../src/links/link.ts";
import { RingLink } from "../../../src/links/ring-link.ts";
import { dialUnix } from "../../../src/links/unix.ts";
import { Arena } from "../../../src/linux/arena.ts";
import { RingHost } from "../../../src/ring/host.ts";
import { planLayout } from "../../../src/ring/layout.ts";
import { RingMemory } from "../../../src/ring/ring-memory.ts";
import { ProtocolError } from "../../../src/wire/protocol-error.ts";
import type { LoadReport } from "../../ring-processes/loopback-load.ts";
import type { Scenario } from "../scenario.ts";

const BYTES = 8 << 20;
const PORT = "usbferry.ring";
const ADDRESS = "0000:00:10.0";
const MESSAGES = 400;

/** Files of the machine that a guest's memory and wake-ups pass through. */
export interface SharedBarFiles {
  readonly memory: string;
  readonly socket: string;
}

/** A guest that is to be booted with them. */
export function sharedBarArguments({ memory, socket }: SharedBarFiles): readonly string[] {
  return [
    ["-object", `memory-backend-file,id=ring,mem-path=${memory},size=${BYTES},share=on`],
    ["-device", "ivshmem-plain,memdev=ring,addr=0x10"],
    ["-chardev", `socket,id=ring,path=${socket},server=on,wait=off`],
    ["-device", `virtserialport,chardev=ring,name=${PORT}`],
  ].flat();
}

/** A process of the guest finds the memory of its host in a PCI BAR, and a device in it. */
export function sharedBar(files: SharedBarFiles): Scenario {
  return {
    name: "memory of a virtual machine: a device passes through a PCI BAR, twice",
    timeoutMs: 180_000,
    async run(guest) {
      const fd = openSync(files.memory, "r+");
      const memory = Arena.of(fd, BYTES);
      closeSync(fd);
      const layout = planLayout({ total: BYTES, slotSize: 4096 });
      assert(memory instanceof Arena && !(layout instanceof ProtocolError));
      const ring = new RingLink(
        "pci",
        memory,
        await dialUnix({ kind: "unix", path: files.socket }, LINK_LIMITS),
      );
      const loop = new LibuvLoop();
      const errors: string[] = [];
      const host = new RingHost(new RingMemory(memory.bytes.buffer), loop, layout, {
        wake: () => ring.wake(),
        began: () => {},
        ended: (error) => {
          if (error !== undefined) errors.push(error.toString());
        },
      });
      const pump = new RingPump(host, loop);
      ring.start(
        () => pump.heard(),
        () => errors.push("the socket of the monitor has ended"),
      );
      host.start();
      host.share({ device: new Zero(), attached: () => {}, refused: () => {}, closed: () => {} });
      pump.heard();
      try {
        // The second one finds the memory as the first one has left it.
        for (const life of [1, 2]) {
          const args = [ADDRESS, PORT, MESSAGES];
          const answer = await guest.call("test/vm/guest/pci-ring.js", "loadThroughBar", args);
          const report = answer as LoadReport & { readonly bytes: number; readonly slots: number };
          assert(report.messages >= MESSAGES);
          assert.deepEqual(
            { ...report, messages: MESSAGES },
            { messages: MESSAGES, inFlight: 0, wrong: [], bytes: BYTES, slots: 0 },
            `life ${life}`,
          );
        }
        assert.deepEqual(errors, []);
      } finally {
        await new Promise<void>((resolve) => host.stop(resolve));
        ring.destroy();
      }
    },
  };
}
