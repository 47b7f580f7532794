import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopbackLoad } from "../../../test/ring-processes/loopback-load.ts";
import { onLinux, openPollLoop } from "../../../test/support/poll-loop.ts";
import { Zero } from "../../gadgets/zero.ts";
import { RingGuest } from "../../ring/guest.ts";
import { RingHost } from "../../ring/host.ts";
import { planLayout } from "../../ring/layout.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { RingDriver } from "./ring-driver.ts";
import type { RingSide } from "./ring-side.ts";

const MESSAGES = 500;

/** Both sides as one: it sleeps when both do. */
function together(one: RingSide, other: RingSide): RingSide {
  return {
    poll: () => [one.poll(), other.poll()].includes(true),
    get hasNews() {
      return one.hasNews || other.hasNews;
    },
    sleep: () => one.sleep() && other.sleep(),
    awake: () => {
      one.awake();
      other.awake();
    },
  };
}

for (const budgetMs of [0, 0.5]) {
  test(
    `messages pass while a thread looks for ${budgetMs} ms, and timers run while it sleeps`,
    onLinux,
    () => {
      const loop = openPollLoop();
      const layout = planLayout({ total: 4 << 20, slotSize: 4096 });
      assert(!(layout instanceof ProtocolError));
      const memory = new RingMemory(new SharedArrayBuffer(layout.total));
      const told = { wake: () => {}, began: () => {}, ended: () => assert.fail("the session ends") };
      const host = new RingHost(memory, loop, layout, told);
      const loads: LoopbackLoad[] = [];
      const guest = new RingGuest(memory, loop, {
        ...told,
        removed: () => {},
        added: (device) => {
          loads.push(new LoopbackLoad(device, loop, () => {}));
          loads[0]!.start();
        },
      });
      host.start();
      guest.start();
      host.share({ device: new Zero(), attached: () => {}, refused: () => {}, closed: () => {} });
      const driver = new RingDriver(together(host, guest), loop, budgetMs);
      const look = (): void => {
        const [load] = loads;
        if (load === undefined || load.report.messages < MESSAGES) loop.after(1, look);
        // From here on there is nothing in the ring: it sleeps until the timer.
        else load.end(() => loop.after(30, () => driver.stop()));
      };
      loop.after(1, look);
      driver.run();
      const { messages, inFlight, wrong } = loads[0]!.report;
      assert(messages >= MESSAGES);
      assert.deepEqual([inFlight, wrong], [0, []]);
    },
  );
}
