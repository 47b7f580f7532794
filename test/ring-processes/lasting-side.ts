import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { RingPump } from "../../src/daemon/ring/ring-pump.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import type { Link } from "../../src/links/link.ts";
import { LINK_LIMITS } from "../../src/links/link.ts";
import { LinkError } from "../../src/links/link-error.ts";
import { dialUnix, listenUnix } from "../../src/links/unix.ts";
import { Arena } from "../../src/linux/arena.ts";
import { sealedLength } from "../../src/linux/memory-file.ts";
import { RingGuest } from "../../src/ring/guest.ts";
import { RingHost } from "../../src/ring/host.ts";
import { planLayout } from "../../src/ring/layout.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import type { Share } from "../../src/ring/sides.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { LoopbackLoad } from "./loopback-load.ts";
import { tell } from "./side-message.ts";

/**
 * One side of a ring in memory that outlives both sides, as that of a virtual machine does: `node lasting-side.js host|guest PATH`,
 * with the memory as descriptor 3. Wake-ups go over the unix socket PATH, which is made anew with each life of a side. That
 * the other side has died is to be seen in the memory alone: the engine is not told that the socket has ended.
 */
const [role, path] = process.argv.slice(2);
const MEMORY = 3;
const AGAIN_MS = 5;
const BELL = [Uint8Array.of(1)];

const length = sealedLength(MEMORY);
assert(typeof length === "number");
const arena = Arena.of(MEMORY, length);
assert(arena instanceof Arena);
const memory = new RingMemory(arena.bytes.buffer);
const loop = new LibuvLoop();
const address = { kind: "unix", path: path! } as const;
let link: Link | undefined;
const wake = (): void => {
  if (link?.unsent === 0) link.write(BELL, () => {});
};
const ended = (error?: ProtocolError): void => {
  if (error !== undefined) tell({ what: "error", message: `${role}: ${error.toString()}` });
};
process.once("disconnect", () => process.exit());

if (role === "host") await serve();
else await attach();

function use(fresh: Link, pump: RingPump, gone: () => void): void {
  link = fresh;
  fresh.start(
    () => pump.heard(),
    () => {
      if (link === fresh) link = undefined;
      gone();
    },
  );
  // What was rung while there was no socket.
  wake();
  pump.heard();
}

async function serve(): Promise<void> {
  const layout = planLayout({ total: length as number, slotSize: 4096 });
  assert(!(layout instanceof ProtocolError));
  const host = new RingHost(memory, loop, layout, { wake, began: () => {}, ended });
  const pump = new RingPump(host, loop);
  const share: Share = {
    device: new Zero(),
    attached: () => {},
    refused: ({ message }) => tell({ what: "error", message }),
    closed: () => {},
  };
  host.start();
  host.share(share);
  await listenUnix(address, (fresh) => use(fresh, pump, () => {}), LINK_LIMITS);
}

async function attach(): Promise<void> {
  let playing: LoopbackLoad | undefined;
  const guest = new RingGuest(memory, loop, {
    wake,
    began: () => {},
    ended,
    removed: () => {},
    added: (device) => {
      const load = new LoopbackLoad(device, loop, () => {
        tell({ what: "lost", report: load.report });
        playing = undefined;
      });
      playing = load;
      tell({ what: "session" });
      load.start();
    },
  });
  const pump = new RingPump(guest, loop);
  guest.start();
  setInterval(() => {
    if (playing !== undefined) tell({ what: "progress", messages: playing.report.messages });
  }, 2);
  process.once("message", () => {
    const last = playing!;
    last.end(() => {
      tell({ what: "ended", report: last.report, slots: guest.usedSlots, urbs: guest.pendingUrbs });
      guest.stop(() => process.disconnect());
    });
  });
  for (;;) {
    try {
      const fresh = await dialUnix(address, LINK_LIMITS);
      await new Promise<void>((gone) => use(fresh, pump, gone));
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
    }
    await sleep(AGAIN_MS);
  }
}
