import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { DOCTOR_MS, Examination } from "../examination.ts";
import type { Guest } from "../guest.ts";
import { withoutModules } from "../module-folder.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const TUNNEL = "test/vm/guest/tunnel.js";
const NAME_SERVER = "test/vm/guest/name-server.js";

/** The last hop that was reached, and what was found there. */
async function lastHop(
  guest: Guest,
  address: string,
): Promise<readonly [hop: string, code: string, Examination]> {
  const examined = await Examination.of(guest, "guest", address);
  const { name, findings } = examined.diagnosis.checks.at(-1)!;
  return [name, findings[0]!.code, examined];
}

async function assertBlocked(guest: Guest, address: string, hop: string, code: string): Promise<Examination> {
  const [name, found, examined] = await lastHop(guest, address);
  const told = JSON.stringify(examined.diagnosis.checks.at(-1));
  assert.deepEqual([name, found], [hop, code], `${address}: ${told}`);
  assert.ok(examined.problems.includes(code));
  return examined;
}

export const wayToHost: Scenario = {
  name: "doctor: the way to a host is blocked by routes, a VPN, the network and name servers, and is free",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd", "tun");
    // An absent neighbour is given up after three questions, a second apart.
    await guest.shell(`
      echo 100 > /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms
      mkdir -p /dev/net; [ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
      ip route add blackhole 10.8.0.0/24; ip route add unreachable 10.7.0.0/24; ip route add prohibit 10.6.0.0/24`);
    await guest.call(TUNNEL, "openTunnel", ["wg0"]);
    try {
      await guest.shell("ip link set wg0 up && ip address add 10.9.0.1/24 dev wg0");
      await assertBlocked(guest, "tcp:10.6.0.7", "route", "ROUTE_REFUSED");
      await assertBlocked(guest, "tcp:10.7.0.7", "route", "ROUTE_MISSING");
      await assertBlocked(guest, "tcp:10.8.0.7", "route", "ROUTE_REFUSED");
      // Nobody reads what the tunnel is given: packets are lost in it.
      const vpn = await assertBlocked(guest, "tcp:10.9.0.7", "connection", "CONNECTION_TIMED_OUT");
      assert.match(
        vpn.one("ROUTE_THROUGH_VPN").what,
        /10\.9\.0\.7 is reached through wg0 \(10\.9\.0\.1\)\.$/,
      );
      assert.match(vpn.one("CONNECTION_TIMED_OUT").why!, /^It is sent out through wg0 .* It is a tunnel/);
      await guest.call(TUNNEL, "closeTunnel", []);
      const ended = await assertBlocked(guest, "tcp:10.9.0.7", "connection", "CONNECTION_TIMED_OUT");
      assert.match(
        ended.one("ROUTE_THROUGH_VPN").what,
        /through wg0 \(10\.9\.0\.1\)\.$/,
        "without a carrier",
      );
      const absent = await assertBlocked(guest, "tcp:10.0.2.77", "connection", "HOST_UNREACHABLE");
      assert.match(absent.one("HOST_UNREACHABLE").why!, /^It is sent out through eth0 \(10\.0\.2\.15\)\./);

      await guest.call(NAME_SERVER, "startNameServer", []);
      await guest.writeFile("/etc/resolv.conf", "nameserver 127.0.0.1\n");
      // The first look-up loads what it takes, which is slow where other guests are at work.
      await guest.waitFor("the name server's answer", async () => {
        const [hop, code] = await lastHop(guest, "tcp:box");
        return hop === "name" && code === "NAME_UNKNOWN";
      });
      await guest.call(NAME_SERVER, "stopNameServer", []);
      await guest.writeFile("/etc/resolv.conf", "nameserver 10.9.0.53\noptions timeout:1 attempts:1\n");
      const silent = await assertBlocked(guest, "tcp:box2", "name", "NAME_SERVER_SILENT");
      assert.match(silent.one("NAME_SERVER_SILENT").why!, /Asked were 10\.9\.0\.53 of/);

      await withoutModules(guest, ["vsock"], async () => {
        await assertBlocked(guest, "vsock:2:3240", "connection", "VSOCK_MISSING");
      });
      await guest.loadModule("vsock_loopback");
      await assertBlocked(guest, "vsock:1:3240", "connection", "CONNECTION_REFUSED");

      await guest.shell("ip route del default");
      await assertBlocked(guest, "tcp:192.0.2.7", "route", "ROUTE_MISSING");
    } finally {
      await guest.shell(`
        ip route del blackhole 10.8.0.0/24; ip route del unreachable 10.7.0.0/24; ip route del prohibit 10.6.0.0/24
        ip route | grep -q default || ip route add default via ${guest.hostAddress}
        rm -f /etc/resolv.conf; ip link del wg0`);
    }
  },
};

/** As `nft` writes them; what the kernel of this side is told is what a person's program sees. */
const VERDICTS: readonly (readonly [verdict: string, code: string, why: RegExp])[] = [
  ["drop", "CONNECTION_TIMED_OUT", /^It is sent out through veth0 .* a firewall drops them/],
  ["reject", "CONNECTION_REFUSED", /or a firewall refuses in its place/],
  ["reject with tcp reset", "CONNECTION_REFUSED", /or a firewall refuses in its place/],
  ["reject with icmpx admin-prohibited", "HOST_UNREACHABLE", /or a firewall says so in its place/],
  ["reject with icmpx no-route", "HOST_UNREACHABLE", /or a firewall says so in its place/],
];

/** The host is another network namespace, whose firewall is its own. */
export const firewalls: Scenario = {
  name: "doctor: the firewall of a host drops, refuses and forbids",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd", "veth", "nf_tables", "nft_reject_inet");
    let pid = "";
    const host = await guest.spawn(["unshare", "-n", "sh", "-c", "echo $$; exec sleep 600"], (line) => {
      pid = line;
    });
    try {
      await guest.waitFor("the other namespace", () => pid !== "");
      const inside = `nsenter -t ${pid} -n`;
      // Busybox cannot make pairs.
      await guest.shell(`set -e
        /usr/bin/ip link add veth0 type veth peer name veth1 netns ${pid}
        ip address add 10.5.0.1/24 dev veth0
        ip link set veth0 up
        ${inside} ip address add 10.5.0.2/24 dev veth1
        ${inside} ip link set veth1 up
        ${inside} nft add table inet wall
        ${inside} nft add chain inet wall input '{ type filter hook input priority 0; }'`);
      for (const [verdict, code, why] of VERDICTS) {
        // oxlint-disable-next-line no-await-in-loop -- one rule at a time
        await guest.shell(
          `${inside} nft flush chain inet wall input; ${inside} nft add rule inet wall input tcp dport 3240 ${verdict}`,
        );
        // oxlint-disable-next-line no-await-in-loop -- one rule at a time
        const examined = await assertBlocked(guest, "tcp:10.5.0.2", "connection", code);
        assert.match(examined.one(code).why!, why, verdict);
      }
    } finally {
      await host.kill("SIGKILL");
      await host.exit;
    }
  },
};

export const answers: Scenario = {
  name: "doctor: a host across the network shares devices, nothing, or is of another version",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd");
    const host = await ServedHost.start({ keyboard: "keyboard" });
    const [, , shared] = await lastHop(guest, `tcp:${guest.hostAddress}:${host.port}`);
    await host.stop();
    assert.deepEqual(shared.problems, []);
    const [listed] = shared.diagnosis.checks.at(-1)!.findings;
    assert.match(listed!.what, /shares keyboard \(1209:0001\)\.$/);

    const empty = await ServedHost.start({});
    await assertBlocked(guest, `tcp:${guest.hostAddress}:${empty.port}`, "answer", "SHARES_NOTHING");
    await empty.stop();

    const old = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(Buffer.from("010600050000000000000000", "hex"));
    }).listen(0, "127.0.0.1");
    await once(old, "listening");
    const { port } = old.address() as AddressInfo;
    await assertBlocked(guest, `tcp:${guest.hostAddress}:${port}`, "answer", "WRONG_VERSION");
    old.close();
  },
};
