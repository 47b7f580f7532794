import assert from "node:assert/strict";
import { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { RingDriver } from "../../src/daemon/ring/ring-driver.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { PollLink } from "../../src/links/poll-link.ts";
import { RingLink } from "../../src/links/ring-link.ts";
import { Arena } from "../../src/linux/arena.ts";
import { sealedLength } from "../../src/linux/memory-file.ts";
import { allowProcessors } from "../../src/linux/processor.ts";
import { RingGuest } from "../../src/ring/guest.ts";
import { RingHost } from "../../src/ring/host.ts";
import { planLayout } from "../../src/ring/layout.ts";
import { RING_LIMITS } from "../../src/ring/limits.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { type RingCase, RingLoad } from "./ring-load.ts";

/**
 * One side of a ring in a process of its own: `node ring-side.js host|guest LOOK_MS CPU`, with the memory as descriptor 3 and the
 * socket of the wake-ups as descriptor 4. The guest plays the cases that it is sent, one after the other.
 */
const [role, lookMs, cpu] = process.argv.slice(2);
const MEMORY = 3;
const SOCKET = 4;

if (cpu !== "") assert.equal(allowProcessors([Number(cpu)]), undefined);
const length = sealedLength(MEMORY);
assert(typeof length === "number");
const arena = Arena.of(MEMORY, length);
const loop = PollLoop.open();
assert(arena instanceof Arena && loop instanceof PollLoop);
const ring = new RingLink("memory:bench", arena, new PollLink("memory:bench", SOCKET, loop));
const memory = new RingMemory(arena.bytes.buffer);
const wake = (): void => ring.wake();
/** Between two cases the guest lives, and says nothing. */
const limits = { ...RING_LIMITS, silenceMs: 600_000 };
const ended = (error?: ProtocolError): void => {
  throw error ?? new Error("the session is over");
};
ring.start(
  () => {},
  () => process.exit(),
);

if (role === "host") serve();
else ask();

function serve(): void {
  const layout = planLayout({ total: length as number });
  assert(!(layout instanceof ProtocolError));
  const host = new RingHost(memory, loop as PollLoop, layout, { wake, began: () => {}, ended }, limits);
  host.start();
  host.share({
    device: new Zero(),
    attached: () => {},
    refused: ({ message }) => assert.fail(message),
    closed: (end) => assert.fail(end),
  });
  process.send!("ready", () => new RingDriver(host, loop as PollLoop, Number(lookMs)).run());
}

function ask(): void {
  const guest = new RingGuest(
    memory,
    loop as PollLoop,
    {
      wake,
      began: () => {},
      ended,
      removed: () => {},
      added: (device) => {
        loads.push(new RingLoad(device, loop as PollLoop, () => driver.stop()));
      },
    },
    limits,
  );
  const driver = new RingDriver(guest, loop as PollLoop, Number(lookMs));
  const loads: RingLoad[] = [];
  guest.start();
  process.on("message", (one: RingCase) => {
    while (loads.length === 0) {
      guest.poll();
      (loop as PollLoop).turn(1);
    }
    const [load] = loads;
    load!.begin(one);
    driver.run();
    process.send!(load!.result);
  });
  process.on("disconnect", () => process.exit());
  process.send!("ready");
}
