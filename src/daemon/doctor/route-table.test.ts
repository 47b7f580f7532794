import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import { listenersOn } from "./listeners.ts";
import { routeTo } from "./route-table.ts";

/** /proc/net/route of a machine with a default route, its own network, a VPN's network and a blackhole. */
const ROUTES = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0202000A	0003	0	0	0	00000000	0	0	0
eth0	0002000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
wg0	0000090A	0100090A	0003	0	0	0	0000FFFF	0	0	0
*	0000080A	00000000	0001	0	0	0	00FFFFFF	0	0	0
`;

test("the route is the longest one that covers the address", () => {
  const root = recordedRoot({ "proc/net/route": ROUTES });
  assert.deepEqual(routeTo(root, "192.0.2.7"), { device: "eth0", gateway: "10.0.2.2" });
  assert.deepEqual(routeTo(root, "10.0.2.77"), { device: "eth0", gateway: undefined }, "the own network");
  assert.deepEqual(routeTo(root, "10.9.200.1"), { device: "wg0", gateway: "10.9.0.1" });
  assert.deepEqual(routeTo(root, "2001:db8::1"), undefined);
  assert.deepEqual(routeTo(recordedRoot({}), "192.0.2.7"), undefined);
});

test("listeners on a port are told by their addresses", () => {
  const head = "  sl  local_address rem_address   st\n";
  const root = recordedRoot({
    // 127.0.0.1:3240 listens, 10.0.2.15:3240 is a connection, 0.0.0.0:22 listens
    "proc/net/tcp": `${head}   0: 0100007F:0CA8 00000000:0000 0A 0\n   1: 0F02000A:0CA8 0202000A:9C40 01 0\n   2: 00000000:0016 00000000:0000 0A 0\n`,
    // ::1 and fe80::1234
    "proc/net/tcp6": `${head}   0: 00000000000000000000000001000000:0CA8 0:0000 0A 0\n   1: 000080FE000000000000000034120000:0CA8 0:0000 0A 0\n`,
  });
  assert.deepEqual(listenersOn(root, 3240), ["127.0.0.1", "[::1]", "[fe80::1234]"]);
  assert.deepEqual(listenersOn(root, 22), ["0.0.0.0"]);
  assert.deepEqual(listenersOn(root, 80), []);
});
