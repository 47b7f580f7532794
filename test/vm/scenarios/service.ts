import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import { KEYBOARD, plug } from "../emulated-device.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { Systemd } from "../systemd.ts";

const USBFERRY = "/node/bin/node /repo/dist/src/cli/main.js";
const ADDRESS = "tcp:127.0.0.1:3240";
const CONFIGURATION = "/etc/usbferry/usbferry.yaml";
const HOST = "usbferry.service";
const AGENT = "usbferry-agent.service";

/** What systemd itself says is left of a service's powers; below 3 it calls that OK. */
const MOST_EXPOSURE = 3;

/** Under emulation a start of the host takes half a minute. */
const START_MS = 120_000;

/**
 * What a service tries that was taken over, and what each attempt ends as, a line each in /run/usbferry/attempts. It
 * runs as a step of the service's start, so with the limits of the service.
 */
const ATTEMPTS = `
attempt() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name done"; else echo "$name refused"; fi >> /run/usbferry/attempts; }
: > /run/usbferry/attempts
attempt write-etc touch /etc/usbferry/attempt
attempt write-boot touch /attempt
attempt write-state touch /var/lib/usbferry/attempt
attempt read-home ls /home/somebody
attempt open-memory dd if=/dev/mem of=/dev/null bs=1 count=1
attempt open-log dd if=/dev/kmsg of=/dev/null bs=1 count=1
attempt open-zero dd if=/dev/zero of=/dev/null bs=1 count=1
attempt mount mount -t tmpfs tmpfs /var/lib/usbferry
attempt namespace unshare -m true
attempt module insmod /first-modules/uinput.ko
attempt clock sh -c 'date -s @1; [ $(date +%s) -lt 1000 ]'
attempt hostname hostname attempt
attempt sysctl sh -c 'echo 1 > /proc/sys/kernel/sysrq'
attempt chown chown 1:1 /var/lib/usbferry/attempt
attempt raw-socket ping -c 1 -w 1 127.0.0.1
attempt node-list ls /dev/bus/usb
exit 0
`;

/** What is not refused is what the host is there for. */
const EXPECTED_ATTEMPTS = {
  "write-etc": "refused",
  "write-boot": "refused",
  "write-state": "done",
  "read-home": "refused",
  "open-memory": "refused",
  "open-log": "refused",
  "open-zero": "done",
  mount: "refused",
  namespace: "refused",
  module: "refused",
  clock: "refused",
  hostname: "refused",
  sysctl: "refused",
  chown: "refused",
  "raw-socket": "refused",
  "node-list": "done",
} as const;

interface State {
  readonly agent: { readonly pid: number; readonly devices: readonly unknown[] };
}

/** A real systemd and its services, in a guest that is left as it was. */
async function withSystemd(guest: Guest, work: (systemd: Systemd) => Promise<void>): Promise<void> {
  await guest.shell("mkdir -p /etc/usbferry /home/somebody /var/lib");
  await configure(guest, "zero");
  const systemd = await Systemd.start(guest);
  try {
    await work(systemd);
  } finally {
    await systemd.run(`${USBFERRY} service remove host; ${USBFERRY} service remove agent`);
    await systemd.stop();
    await guest.shell("rm -rf /etc/usbferry /etc/systemd /var/lib/usbferry");
  }
}

async function configure(guest: Guest, ...gadgets: readonly string[]): Promise<void> {
  await guest.writeFile(CONFIGURATION, `gadgets: [${gadgets.join(", ")}]\n`);
}

/** Waits until the host lists these devices, and no others. */
async function untilListed(guest: Guest, systemd: Systemd, ...busids: readonly string[]): Promise<void> {
  const listed = async (): Promise<boolean> => {
    const { stdout } = await guest.run(["sh", "-c", `${USBFERRY} list ${ADDRESS} --json`]);
    if (stdout === "") return false;
    const { devices } = JSON.parse(stdout) as { devices: readonly { busid: string }[] };
    return JSON.stringify(devices.map(({ busid }) => busid)) === JSON.stringify(busids);
  };
  try {
    await guest.waitFor(`the host to list ${busids.join(", ")}`, listed, START_MS);
  } catch (error) {
    throw new Error(await systemd.log(), { cause: error });
  }
}

const activation: Scenario = {
  name: "systemd starts the host with the first connection, knows when it is ready, reloads it, and restarts one that hangs",
  timeoutMs: 420_000,
  run: (guest) =>
    withSystemd(guest, async (systemd) => {
      for (const [unit, options] of [
        [HOST, `host --socket ${ADDRESS}`],
        [AGENT, "agent"],
      ] as const) {
        await systemd.succeed(`${USBFERRY} service install ${options} --root /tmp/image`);
        const path = `/tmp/image/etc/systemd/system/${unit}`;
        const judged = await systemd.succeed(`systemd-analyze security --no-pager --offline=true ${path}`);
        const [, exposure] = /Overall exposure level for \S+: (\d+\.\d+)/.exec(judged)!;
        console.log(`systemd-analyze security ${unit}: ${exposure}`);
        assert(Number(exposure) < MOST_EXPOSURE, judged);
      }

      const printed = await systemd.succeed(`${USBFERRY} service install host --socket ${ADDRESS}`);
      assert.match(printed, /^started usbferry\.socket, and at each boot from now on$/m);
      assert.match(printed, /^kept {4}\/etc\/usbferry\/usbferry\.yaml$/m);
      assert.equal((await systemd.run(`systemctl is-active ${HOST}`)).trim(), "inactive");
      await untilListed(guest, systemd, "zero");
      assert.equal(await systemd.property(HOST, "ActiveState"), "active");
      assert.equal(await systemd.property(HOST, "StatusText"), `shares zero on ${ADDRESS}`);

      await configure(guest, "zero", "keyboard");
      await systemd.succeed(`systemctl reload ${HOST}`);
      await untilListed(guest, systemd, "zero", "keyboard");
      const first = await systemd.property(HOST, "MainPID");

      await systemd.succeed(`mkdir -p /run/systemd/system/${HOST}.d
        printf '[Service]\\nWatchdogSec=5\\n' > /run/systemd/system/${HOST}.d/soon.conf
        systemctl daemon-reload; systemctl restart ${HOST}`);
      const second = await systemd.property(HOST, "MainPID");
      assert.notEqual(second, first);
      await systemd.succeed(`kill -STOP ${second}`);
      const restarted = async (): Promise<boolean> =>
        (await systemd.property(HOST, "NRestarts")) === "1" &&
        (await systemd.property(HOST, "ActiveState")) === "active";
      await guest.waitFor("a stopped host to be started again", restarted, START_MS);
      await untilListed(guest, systemd, "zero", "keyboard");

      const removed = await systemd.succeed(`${USBFERRY} service remove host`);
      assert.match(removed, /^removed \/etc\/systemd\/system\/usbferry\.socket$/m);
      assert.equal(await systemd.property(HOST, "LoadState"), "not-found");
      assert.equal((await guest.run(["sh", "-c", `${USBFERRY} list ${ADDRESS}`])).code, 1);
    }),
};

const limits: Scenario = {
  name: "host and agent work within the limits of their units, and a host that was taken over reaches nothing else",
  expected: ATTACH_LINES,
  timeoutMs: 420_000,
  async run(guest) {
    await guest.loadModule("vhci-hcd", "xhci-pci", "usbhid");
    const keyboard = await plug(guest, KEYBOARD, { controller: "xhci", port: 3 });
    await withSystemd(guest, async (systemd) => {
      await guest.writeFile("/tmp/attempts", ATTEMPTS);
      await systemd.succeed(`cp /tmp/attempts /etc/usbferry/attempts; mkdir -p /run/systemd/system/${HOST}.d
        printf '[Service]\\nExecStartPre=/bin/sh /etc/usbferry/attempts\\n' > /run/systemd/system/${HOST}.d/try.conf`);
      await systemd.succeed(`${USBFERRY} bind ${keyboard.busid} --force`);
      await systemd.succeed(`${USBFERRY} service install host && ${USBFERRY} service install agent`);
      const attempts = (await systemd.succeed("cat /run/usbferry/attempts")).trim().split("\n");
      assert.deepEqual(
        Object.fromEntries(attempts.map((line) => line.split(" "))),
        EXPECTED_ATTEMPTS,
        await systemd.log(),
      );
      await untilListed(guest, systemd, keyboard.busid, "zero");
      await systemd.succeed(
        `${USBFERRY} attach ${ADDRESS} ${keyboard.busid} && ${USBFERRY} attach ${ADDRESS} zero`,
      );
      // By the agent that systemd runs, and not by one that was started on demand.
      const { pid, devices } = (JSON.parse(await systemd.succeed(`${USBFERRY} state`)) as State).agent;
      assert.deepEqual([String(pid), devices.length], [await systemd.property(AGENT, "MainPID"), 2]);
      assert.match(await guest.shell("cat /sys/bus/usb/devices/*/product"), /zero/i);
      await systemd.succeed(`${USBFERRY} detach --all`);
    });
    await keyboard.pull();
    await guest.shell("rmmod usbhid");
  },
};

export const service: readonly Scenario[] = [activation, limits];
