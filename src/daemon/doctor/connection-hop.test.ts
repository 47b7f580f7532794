import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import { ConnectionHop } from "./connection-hop.ts";
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
  const journey: Journey = { text: `tcp:${port}`, places: [{ kind: "tcp", host: "127.0.0.1", port }] };
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
