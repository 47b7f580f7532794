import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACH_LINES, LINK_LOST_LINES } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import { detachEverything, LINK_GADGETS, untilAttached } from "../link-gadgets.ts";
import { LinkHost } from "../link-host.ts";
import { keepByCall, portsByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import type { VsockBackend } from "../vsock-backend.ts";
import { DISK_LOST_LINES, digestOf, digestOnExt4, writeOnExt4 } from "./disk.ts";
import { ends, type LinkWay, protocolOf } from "./links.ts";

/** docs/links.md: within this time both sides notice that the other one says nothing any more. */
const LIMIT_MS = 13_000;
/** An emulated guest is slow to say so. */
const SLACK_MS = 3_000;
/** Until every session has asked for a sign of life. */
const ASKED_MS = 8_000;

const LINES = [...ATTACH_LINES, ...LINK_LOST_LINES, ...DISK_LOST_LINES];

/** Two devices that are kept attached over vsock, one of them a disk with a file on it, and what is known of them. */
interface Kept {
  readonly host: LinkHost;
  /** Starts a host with the same devices again. */
  readonly restart: () => Promise<LinkHost>;
  readonly digest: string;
  readonly ports: ReadonlyMap<string | undefined, number>;
  readonly zeroNode: string;
}

async function keepBoth(
  guest: Guest,
  backend: VsockBackend,
  ways: Readonly<Record<"disk" | "zero", LinkWay>>,
): Promise<Kept> {
  const image = join(guest.folder, "kept");
  await writeFile(image, "");
  await truncate(image, 16 << 20);
  const gadgets = [`disk,file=${image},serial=disk`, LINK_GADGETS.zero];
  const restart = (): Promise<LinkHost> =>
    LinkHost.start(gadgets, "--listen", `fc-vsock:${backend.path}:3240`);
  const host = await restart();
  try {
    for (const busid of ["disk", "zero"] as const) {
      const address = `${protocolOf(ways[busid])}vsock:3240`;
      const { device } = await keepByCall(guest, address, [busid], "true");
      assert.equal(device?.busid, busid);
    }
    const { disk, zero } = await untilAttached(guest, ["disk", "zero"]);
    const content = randomBytes(2 << 20);
    await writeOnExt4(guest, await blockDevice(guest, disk!.sysfsName), content);
    return { host, restart, digest: digestOf(content), ports: await portsOf(guest), zeroNode: zero!.node };
  } catch (error) {
    await leave(guest, host);
    throw error;
  }
}

async function portsOf(guest: Guest): Promise<ReadonlyMap<string | undefined, number>> {
  const { ports } = await portsByCall(guest);
  return new Map(ports.map(({ busid, port }) => [busid, port]));
}

/** Both are back where they were, and what was written is there. */
async function judgeReturn(guest: Guest, { ports, digest }: Kept): Promise<void> {
  const { disk } = await untilAttached(guest, ["disk", "zero"]);
  assert.deepEqual(await portsOf(guest), ports, "the same ports");
  assert.equal(await digestOnExt4(guest, await blockDevice(guest, disk!.sysfsName)), digest);
}

async function leave(guest: Guest, host: LinkHost): Promise<void> {
  try {
    await detachEverything(guest);
  } finally {
    await host.stop();
  }
}

/** A program in the guest that reads all the time; resolves when data flows. */
async function startStream(guest: Guest, node: string): Promise<GuestProcess> {
  let flowing = false;
  const stream = await guest.spawn(guest.nodeProgram("test/vm/guest/stream.js", node), (line) => {
    if (line === "streaming") flowing = true;
  });
  await guest.waitFor("data to flow", () => flowing);
  return stream;
}

async function untilGuestHasNothing(guest: Guest): Promise<number> {
  await guest.waitFor(
    "the guest to notice",
    async () => (await portsByCall(guest)).ports.length === 0,
    3 * LIMIT_MS,
  );
  return performance.now();
}

async function untilHostHasEnded(guest: Guest, host: LinkHost): Promise<number> {
  await guest.waitFor("the host to notice", () => ends(host).length >= 2, 3 * LIMIT_MS);
  return performance.now();
}

/** The backend is stopped for half a minute, as a machine that is suspended: the disk is idle, the other one busy. */
export function backendStopped(backend: VsockBackend, way: Exclude<LinkWay, "direct">): Scenario {
  return {
    name: `the vsock backend stops for 30 s, ${way}: both sides notice, and what is kept attached comes back`,
    timeoutMs: 300_000,
    expected: LINES,
    async run(guest) {
      const kept = await keepBoth(guest, backend, { disk: way, zero: way });
      const { host } = kept;
      try {
        const stream = await startStream(guest, kept.zeroNode);
        await sleep(ASKED_MS);
        const stoppedMs = performance.now();
        backend.signal("SIGSTOP");
        const noticed = await Promise.all([untilHostHasEnded(guest, host), untilGuestHasNothing(guest)]);
        const [hostMs, guestMs] = noticed.map((atMs) => Math.round(atMs - stoppedMs)) as [number, number];
        console.log(
          `noticed by the host after ${hostMs} ms (${ends(host).join()}), by the guest after ${guestMs} ms`,
        );
        assert(Math.max(hostMs, guestMs) < LIMIT_MS + SLACK_MS, `${hostMs} and ${guestMs} ms`);
        await stream.exit;
        await sleep(Math.max(0, stoppedMs + 30_000 - performance.now()));
        backend.signal("SIGCONT");
        await judgeReturn(guest, kept);
      } finally {
        backend.signal("SIGCONT");
        await leave(guest, host);
      }
    },
  };
}

/** The last one of a guest: QEMU does not connect to another backend. */
export function backendKilled(backend: VsockBackend): Scenario {
  return {
    name: "the vsock backend is killed: both sides notice, over either protocol, although nobody tells the guest's kernel",
    timeoutMs: 300_000,
    expected: LINES,
    async run(guest) {
      const { host } = await keepBoth(guest, backend, { disk: "guarded", zero: "over WSL-USB" });
      try {
        await sleep(ASKED_MS);
        const killedMs = performance.now();
        backend.signal("SIGKILL");
        const noticed = await Promise.all([untilHostHasEnded(guest, host), untilGuestHasNothing(guest)]);
        const [hostMs, guestMs] = noticed.map((atMs) => Math.round(atMs - killedMs)) as [number, number];
        console.log(
          `noticed by the host after ${hostMs} ms (${ends(host).join()}), by the guest after ${guestMs} ms`,
        );
        assert(hostMs < SLACK_MS, `the host noticed after ${hostMs} ms`);
        assert(guestMs < LIMIT_MS + SLACK_MS, `the guest noticed after ${guestMs} ms`);
      } finally {
        await leave(guest, host);
      }
    },
  };
}

export function hostRestarted(backend: VsockBackend, way: Exclude<LinkWay, "direct">): Scenario {
  return {
    name: `a host behind vsock is killed and started again, ${way}: what is kept attached comes back`,
    timeoutMs: 300_000,
    expected: LINES,
    async run(guest) {
      const kept = await keepBoth(guest, backend, { disk: way, zero: way });
      await kept.host.stop("SIGKILL");
      await untilGuestHasNothing(guest);
      const next = await kept.restart();
      try {
        await judgeReturn(guest, kept);
      } finally {
        await leave(guest, next);
      }
    },
  };
}
