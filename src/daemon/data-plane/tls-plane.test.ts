import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { machine, trusting } from "../../../test/support/paired.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { parseAddress, type TlsAddress } from "../../links/address.ts";
import { Speed } from "../../usb/speed.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HOST_LIMITS } from "../host-limits.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { ReadyImport } from "../remote-host.ts";
import { RemoteHosts } from "../remote-hosts.ts";
import { RemoteSearch } from "../remote-search.ts";
import { Gate, NO_RULES } from "../rules/gate.ts";
import { SessionRegistry } from "../session-registry.ts";
import { DataPlane } from "./data-plane.ts";

const loop = new LibuvLoop();
const [box, desk] = await Promise.all([machine("box"), machine("desk")]);
const lines: string[] = [];
const log = {
  info: (_: object, line: string) => void lines.push(line),
  warn: (_: object, line: string) => void lines.push(line),
};

const closers: (() => Promise<void> | void)[] = [];
after(async () => {
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const close of closers.toReversed()) await close();
});

/** A host on tls: with a gadget in the worker. */
async function serving(): Promise<{ readonly address: TlsAddress; readonly isAttached: () => boolean }> {
  const plane = DataPlane.start(log);
  assert(plane instanceof DataPlane);
  closers.push(() => plane.stop());
  const exports = new ExportTable();
  const shared = exports.add("zero", plane.plug({ kind: "zero", speed: Speed.high, pattern: 63 }));
  const registry = new SessionRegistry(new EventLog());
  const gate = new Gate(NO_RULES, log);
  const trust = trusting(box, desk);
  const host = new Host(exports, loop, log, HOST_LIMITS, gate, registry, undefined, trust);
  closers.push(() => host.stop());
  await host.listen([{ kind: "tls", host: "127.0.0.1", port: 0 }]);
  const address = parseAddress(host.addresses[0]!) as TlsAddress;
  return { address, isAttached: () => shared.attached };
}

function take(address: TlsAddress): Promise<ReadyImport> {
  const { signal } = new AbortController();
  return new RemoteSearch(address, new RemoteHosts(loop, trusting(desk, box)), loop, signal).import({
    by: "busid",
    busid: "zero",
  });
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < endMs, `10 s passed without ${what}; the log has:\n${lines.join("\n")}`);
    await sleep(5);
  }
}

test("a device of the worker is imported through TLS, and free again afterwards", onLinux, async () => {
  const { address, isAttached } = await serving();
  for (let times = 0; times < 3; times++) {
    const { remote, device } = await take(address);
    assert.equal(device.speed, Speed.high);
    assert(isAttached());
    lines.splice(0);
    remote.close({ code: "OK", reason: "the test is over" });
    await until("the end of the session", () => lines.length > 0);
    assert.match(lines[0]!, /^OK tls:127\.0\.0\.1:\d+ \(desk\) with zero after .*: the peer closed$/);
    await until("a free device", () => !isAttached());
  }
});

/** Passes one connection on, until it is cut without a goodbye. */
async function cable(port: number): Promise<{ readonly port: number; readonly cut: () => void }> {
  const ends: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    near.on("error", () => {}).pipe(far);
    far.on("error", () => {}).pipe(near);
    ends.push(near, far);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      for (const end of ends) end.resetAndDestroy();
    },
  };
}

test(
  "a connection that breaks under a device of the worker is told as lost, and the device is free",
  onLinux,
  async () => {
    const { address, isAttached } = await serving();
    const { port, cut } = await cable(address.port);
    const { remote } = await take({ ...address, port });
    lines.splice(0);
    cut();
    await until("the end of the session", () => lines.length > 0);
    assert.match(lines[0]!, /^LINK_LOST tls:.* \(desk\) with zero after .*: lost tls:.*ECONNRESET/);
    await until("a free device", () => !isAttached());
    assert.equal((await remote.ended).code, "LINK_LOST");
  },
);
