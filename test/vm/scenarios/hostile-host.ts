import assert from "node:assert/strict";
import { retSubmit, retUnlink } from "../../support/usbip-wire-server.ts";
import { ATTACH_LINES } from "../attachment.ts";
import type { OneTransfer } from "../guest/one-transfer.ts";
import { type Lie, Meddler } from "../meddler.ts";
import { attachByCall, detachByCall, portsByCall, sessionEnds } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** What a program sees whose device has gone: -ENODEV, -ESHUTDOWN, -EPROTO of the transfer or of its submission. */
const GONE = new Set([-19, -108, -71]);

const seqnumOf = (request: Buffer): number => request.readUInt32BE(4);
const packets = (change: Partial<Record<number, readonly [number, number, number, number]>> = {}) =>
  [0, 1, 2].map((i) => change[i] ?? ([i * 100, 100, 0, 0] as const));

/** Every reply that a kernel must not see (and what the session ends with), to one request of a program. */
const LIES: readonly (readonly [what: string, code: string, kind: OneTransfer, lie: Lie])[] = [
  ["another seqnum", "UNKNOWN_SEQNUM", "in", (r) => retSubmit(seqnumOf(r) + 7)],
  ["an unlink that nobody asked for", "UNKNOWN_SEQNUM", "in", (r) => retUnlink(seqnumOf(r), -104)],
  ["an unknown command", "BAD_COMMAND", "in", () => Buffer.alloc(48, 0xee)],
  [
    "more than was asked for",
    "BAD_LENGTH",
    "in",
    (r) => retSubmit(seqnumOf(r), { data: Buffer.alloc(4096) }),
  ],
  ["a negative length", "BAD_LENGTH", "in", (r) => retSubmit(seqnumOf(r), { actualLength: -1 })],
  ["more taken than was sent", "BAD_LENGTH", "out", (r) => retSubmit(seqnumOf(r), { actualLength: 612 })],
  ["a status above 0", "BAD_FIELD", "in", (r) => retSubmit(seqnumOf(r), { status: 5 })],
  [
    "isochronous: a wrong sum",
    "BAD_LENGTH",
    "iso",
    (r) => retSubmit(seqnumOf(r), { data: Buffer.alloc(40), packets: packets() }),
  ],
  [
    "isochronous: -1 packets, and descriptors",
    "BAD_LENGTH",
    "iso",
    (r) => retSubmit(seqnumOf(r), { packets: packets(), numberOfPackets: -1 }),
  ],
  [
    "isochronous: a packet too many",
    "BAD_LENGTH",
    "iso",
    (r) => retSubmit(seqnumOf(r), { packets: [...packets(), [300, 100, 0, 0]] }),
  ],
  [
    "isochronous: a packet too few",
    "BAD_LENGTH",
    "iso",
    (r) => retSubmit(seqnumOf(r), { packets: packets().slice(1) }),
  ],
  [
    "isochronous: a packet longer than its place",
    "BAD_LENGTH",
    "iso",
    (r) => retSubmit(seqnumOf(r), { data: Buffer.alloc(200), packets: packets({ 0: [0, 100, 200, 0] }) }),
  ],
  [
    "isochronous: a packet somewhere else",
    "BAD_FIELD",
    "iso",
    (r) => retSubmit(seqnumOf(r), { packets: packets({ 1: [0x7fffff00, 100, 0, 0] }) }),
  ],
];

/** Whatever a host says, the guest's kernel hears nothing wrong, and only that one device is lost. */
export const hostileHost = (rounds: number): Scenario => ({
  name: `a host that gives ${LIES.length} kinds of bad replies, each ${rounds} times, harms nobody, guarded`,
  timeoutMs: 60_000 + rounds * 120_000,
  expected: ATTACH_LINES,
  async run(guest) {
    const host = await ServedHost.start({
      victim: "zero,serial=victim",
      bystander: "zero,serial=bystander",
    });
    const meddler = await Meddler.before(host.port);
    const transfer = (node: string, kind: OneTransfer) =>
      guest.call("test/vm/guest/one-transfer.js", "transferOnce", [node, kind]) as Promise<[number, number]>;
    try {
      const bystander = await attachByCall(guest, `tcp:${guest.hostAddress}:${host.port}`, "bystander");
      for (const [what, code, kind, lie] of Array.from({ length: rounds }, () => LIES).flat()) {
        meddler.lie = undefined;
        const { node, port } = await attachByCall(
          guest,
          `tcp:${guest.hostAddress}:${meddler.port}`,
          "victim",
        );
        if (kind === "iso") assert.deepEqual((await transfer(node, kind))[0], 0, what);
        meddler.lie = (request) =>
          // SET_INTERFACE before the transfer is answered rightly.
          request.readUInt32BE(0) === 1 && request.readUInt32BE(16) === 0
            ? retSubmit(seqnumOf(request))
            : lie(request);
        const [status] = await transfer(node, kind);
        assert(GONE.has(status), `${what}: status ${status}`);
        await guest.waitFor(`${what}: the port to be free`, async () =>
          (await portsByCall(guest)).ports.every((attached) => attached.port !== port),
        );
        assert.equal((await sessionEnds(guest, 1))[0]?.code, code, what);
        assert.deepEqual(await transfer(bystander.node, "in"), [0, 512], what);
      }
      await detachByCall(guest, bystander.port);
    } finally {
      meddler.stop();
      await host.stop();
    }
  },
});

/** A program that gives up must not hang because its host does. */
export const silentHost = (times: number): Scenario => ({
  name: `a host that falls silent holds a cancel for less than a second, ${times} times, guarded`,
  timeoutMs: 60_000 + times * 10_000,
  expected: ATTACH_LINES,
  async run(guest) {
    const host = await ServedHost.start({ zero: "zero,serial=zero" });
    const meddler = await Meddler.before(host.port);
    try {
      let longestMs = 0;
      for (let time = 0; time < times; time++) {
        meddler.lie = undefined;
        const { node, port } = await attachByCall(guest, `tcp:${guest.hostAddress}:${meddler.port}`, "zero");
        meddler.lie = () => undefined;
        const cancelled = await guest.call("test/vm/guest/one-transfer.js", "cancelOnce", [node]);
        const [status, tookMs] = cancelled as [number, number];
        assert.equal(status, -2 /* -ENOENT: discarded */);
        longestMs = Math.max(longestMs, tookMs);
        assert(tookMs < 1_000, `the cancel took ${tookMs} ms`);
        await detachByCall(guest, port);
      }
      console.log(`the longest cancel took ${Math.round(longestMs)} ms`);
    } finally {
      meddler.stop();
      await host.stop();
    }
  },
});
