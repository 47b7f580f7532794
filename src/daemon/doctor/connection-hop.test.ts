import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import { type LinkAddress, listen } from "../../links/listen.ts";
import { identityOf } from "../state/identity.ts";
import { StateFolder } from "../state/state-folder.ts";
import { Trust } from "../trust.ts";
import { ConnectionHop } from "./connection-hop.ts";
import type { Finding } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { surroundings } from "./surroundings.ts";

const WSL = {
  "proc/sys/kernel/osrelease": "6.6.87.2-microsoft-standard-WSL2\n",
  "proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@af282157c79e)\n",
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("on WSL2 a refused connection names what 127.0.0.1 is there, and Windows' firewalls", async () => {
  const port = await freePort();
  const journey: Journey = {
    text: `tcp:${port}`,
    hosts: [],
    places: [{ kind: "tcp", host: "127.0.0.1", port }],
  };
  const refused = async (files: Parameters<typeof recordedRoot>[0]): Promise<string> => {
    const root = recordedRoot(files);
    const [finding] = await new ConnectionHop(journey, root, surroundings(root)).run();
    assert.equal(finding!.code, "CONNECTION_REFUSED");
    return finding!.next!.join("\n");
  };
  const next = await refused(WSL);
  assert.match(next, /On WSL2 127\.0\.0\.1 is this virtual machine, unless networkingMode=mirrored/);
  assert.match(next, new RegExp(`New-NetFirewallRule .* -LocalPort ${port} -Action Allow`));
  assert.match(next, /Get-NetFirewallHyperVRule/);
  assert.doesNotMatch(await refused({}), /WSL|Windows/);
});

/** What is found where that is dialled by a user with this folder of state. */
async function dialled(place: LinkAddress, folder: StateFolder): Promise<Finding> {
  const root = recordedRoot({});
  const journey: Journey = { text: "", hosts: [], places: [place] };
  const [finding] = await new ConnectionHop(journey, root, surroundings(root), folder).run();
  return finding!;
}

test("tls: needs machines that were paired, which is told without making a certificate", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("no TLS\n");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const path = mkdtempSync(join(tmpdir(), "usbferry-trust-"));
  const folder = new StateFolder(path);
  const place = { kind: "tls", host: "127.0.0.1", port } as const;
  try {
    const never = await dialled(place, folder);
    assert.equal(never.code, "NOT_TRUSTED");
    assert.match(never.what, /can be reached, and this user has not been paired/);
    assert.deepEqual(readdirSync(path), []);
    await identityOf(folder);
    const plain = await dialled(place, folder);
    assert.equal(plain.code, "NO_TLS");
    assert.match(plain.next![0]!, new RegExp(`usbferry doctor tcp:127\\.0\\.0\\.1:${port}`));
  } finally {
    server.close();
    rmSync(path, { recursive: true });
  }
  assert.equal((await dialled({ ...place, port: await freePort() }, folder)).code, "CONNECTION_REFUSED");
});

test("a host of tls: that knows this machine, and is not known, is told with what to do", async () => {
  const paths = ["ours", "theirs"].map((name) => mkdtempSync(join(tmpdir(), `usbferry-${name}-`)));
  const [ours, theirs] = paths.map((path) => new StateFolder(path));
  await identityOf(ours!);
  const address = { kind: "tls", host: "127.0.0.1", port: 0 } as const;
  const listener = await listen(address, () => {}, { trust: new Trust(theirs!) });
  try {
    const finding = await dialled(listener.address as LinkAddress, ours!);
    assert.equal(finding.code, "NOT_TRUSTED");
    assert.match(finding.what, /do not trust each other \(CERTIFICATE_UNKNOWN\)/);
    assert.match(finding.next![0]!, /usbferry pair --listen/);
  } finally {
    listener.close();
    for (const path of paths) rmSync(path, { recursive: true });
  }
});
