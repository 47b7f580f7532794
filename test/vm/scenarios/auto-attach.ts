import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeptWishState } from "../../../src/daemon/agent-state.ts";
import { ATTACH_LINES, LINK_LOST_LINES } from "../attachment.ts";
import { ControlledHost } from "../controlled-host.ts";
import { insert, KEYBOARD, type Place } from "../emulated-device.ts";
import { sleeps } from "../guest/device-clock.ts";
import type { Guest } from "../guest.ts";
import {
  agentState,
  attachByCall,
  detachByCall,
  endAgent,
  keepByCall,
  outputOf,
  portsByCall,
  startAgent,
} from "../own-attachment.ts";
import type { Scenario, ScenarioBoot } from "../scenario.ts";
import {
  CLEAN_UP,
  DEVICE_NUMBERS,
  EXPORT,
  KERNEL_EXPORT_LINES,
  KERNEL_EXPORT_MODULES,
} from "./kernel-export.ts";

export const AUTO_ATTACH_BOOT: ScenarioBoot = {
  modules: ["vhci-hcd", "cdc-acm"],
  controllers: ["xhci"],
};

/** A board whose bootloader is another device. Both are serial ports. */
const APPLICATION = ["2341", "8036"] as const;
const BOOTLOADER = ["2341", "0036"] as const;
type Face = typeof APPLICATION | typeof BOOTLOADER;

/** What QEMU plugs straight into the guest, for comparison. */
const STRAIGHT = ["0627", "0001"] as const;
const PLACE: Place = { controller: "xhci", port: 1 };

const HOOK_LOG = "/tmp/hooks";
const HOOK = `sh -c 'echo $USBFERRY_EVENT $USBFERRY_WISH $USBFERRY_HOST $USBFERRY_BUSID $USBFERRY_VID:$USBFERRY_PID:$USBFERRY_SERIAL $USBFERRY_PORT $USBFERRY_DEVNODES >> ${HOOK_LOG}'`;

const LINES = [
  ...ATTACH_LINES,
  ...LINK_LOST_LINES,
  { pattern: /cdc_acm .*failed/, reason: "a port is pulled while its driver looks at it" },
];

function specification([vid, pid]: Face): string {
  return `serial,vid=${vid},pid=${pid},serial=board`;
}

function untilConfigured(guest: Guest, [vid, pid]: readonly [string, string]): Promise<unknown> {
  return guest.call("test/vm/guest/device-clock.js", "untilConfigured", [vid, pid], 40_000);
}

async function untilGone(guest: Guest, sysfsName: string): Promise<void> {
  await guest.waitFor(
    `${sysfsName} is gone`,
    `! test -e /sys/bus/usb/devices/${sysfsName} && ! test -e /dev/ttyACM0`,
  );
}

/** The one device that is kept attached, wherever it is. */
async function untilKept(guest: Guest): Promise<string> {
  let sysfsName: string | undefined;
  await guest.waitFor("the device to be attached", async () => {
    const state = await agentState(guest);
    sysfsName = state?.devices.find(({ wish }) => wish !== undefined)?.sysfsName;
    return sysfsName !== undefined;
  });
  await guest.waitFor("its serial port", "test -c /dev/ttyACM0");
  return sysfsName!;
}

/** How long something took, from when it was begun until the guest has the device. */
async function timed(
  guest: Guest,
  numbers: readonly [string, string],
  begin: () => Promise<unknown>,
): Promise<number> {
  const there = untilConfigured(guest, numbers);
  await begin();
  const startMs = performance.now();
  await there;
  return performance.now() - startMs;
}

async function plugStraight(guest: Guest): Promise<number> {
  let pull!: () => Promise<void>;
  const ms = await timed(guest, STRAIGHT, async () => {
    pull = await insert(guest, KEYBOARD, PLACE);
  });
  await pull();
  await guest.waitFor("the keyboard to be gone", "! grep -x 0627 /sys/bus/usb/devices/*/idVendor");
  return ms;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Where the time went, by the log of the agent: medians of each step. */
async function steps(guest: Guest): Promise<string> {
  const log = (await guest.readFile("/run/usbferry/agent.log")).toString();
  const attached = log
    .split("\n")
    .filter((line) => line.includes('"ATTACHED"') && line.includes('"kernelMs"'))
    .map((line) => JSON.parse(line) as Record<string, number>);
  return ["dialMs", "importMs", "giveMs", "kernelMs"]
    .map((step) => `${step} ${median(attached.map((line) => line[step]!))}`)
    .join(", ");
}

function toOutput(line: string): void {
  process.stdout.write(`# ${line}\n`);
}

/** A board is flashed in a loop with no hand on it. The limit is for a machine that has nothing else to do. */
export function flashReset(
  cycles: number,
  limitMs?: number,
  print: (line: string) => void = toOutput,
): Scenario {
  return {
    name: `a board that is flashed ${cycles} times is attached again each time, on the same port`,
    expected: LINES,
    timeoutMs: 180_000 + cycles * 20_000,
    async run(guest) {
      const host = new ControlledHost();
      await host.start("zero");
      const address = `tcp:${guest.hostAddress}:${host.port}`;
      try {
        await guest.shell(`rm -f ${HOOK_LOG}`);
        const faces = [APPLICATION, BOOTLOADER].map((numbers) => numbers.join(":"));
        const { wish, device } = await keepByCall(guest, address, faces, HOOK);
        assert.deepEqual([wish.state, wish.watching, device], ["waiting", "pushed", undefined]);
        let busid = await host.plug(specification(APPLICATION));
        const sysfsName = await untilKept(guest);
        const { port } = (await portsByCall(guest)).ports[0]!;

        const shared: number[] = [];
        const straight: number[] = [];
        let flashes = 0;
        for (let cycle = 0; cycle < cycles; cycle++) {
          for (const face of [BOOTLOADER, APPLICATION]) {
            await host.unplug(busid);
            await untilGone(guest, sysfsName);
            // A board takes a second or more to come back; starting a program takes long under emulation.
            await guest.waitFor("the command", `[ $(grep -c ^detach ${HOOK_LOG}) -eq ${++flashes} ]`);
            shared.push(
              await timed(guest, face, async () => {
                busid = await host.plug(specification(face));
              }),
            );
            assert.equal(await untilKept(guest), sysfsName, `cycle ${cycle}`);
            const [now] = (await agentState(guest))!.devices;
            assert.equal(now!.port, port, `cycle ${cycle}`);
            assert.equal((await guest.shell("ls /dev/ttyACM*")).trim(), "/dev/ttyACM0");
          }
          straight.push(await plugStraight(guest));
        }
        const difference = median(shared) - median(straight);
        print(
          `from the host's word to a configured device, medians: shared ${Math.round(median(shared))} ms, plugged straight ` +
            `into the guest ${Math.round(median(straight))} ms, difference ${Math.round(difference)} ms; ${await steps(guest)}`,
        );
        if (limitMs !== undefined) assert(difference < limitMs, `the median difference is ${difference} ms`);

        const { ports } = await portsByCall(guest);
        assert.equal(ports[0]!.wish, wish.id);
        await guest.waitFor("the last command", `[ $(grep -c ^attach ${HOOK_LOG}) -eq ${2 * cycles + 1} ]`);
        const [attach, detach] = (await guest.shell(`cat ${HOOK_LOG}`)).split("\n");
        const identity = `${wish.id} ${address} serial 2341:8036:board ${port} /dev/ttyACM0`;
        assert.deepEqual([attach, detach], [`attach ${identity}`, `detach ${identity}`]);

        await detachByCall(guest, port);
        await host.unplug(busid);
        await host.plug(specification(APPLICATION));
        await sleep(1_000);
        assert.deepEqual(
          await portsByCall(guest),
          { ports: [], waiting: [], wishes: [] },
          "its wish has ended",
        );
      } finally {
        await host.remove();
        await leave(guest);
      }
    },
  };
}

/** Either side is killed, and comes back. */
export function restarts(idleSeconds: number, print: (line: string) => void): Scenario {
  return {
    name: "what is kept attached survives the death of the host and of the agent, and sleeps in between",
    expected: LINES,
    timeoutMs: 400_000,
    async run(guest) {
      const host = new ControlledHost();
      await host.start(specification(APPLICATION), "zero");
      const address = `tcp:${guest.hostAddress}:${host.port}`;
      try {
        const printed = await outputOf(guest, "attach", address, "2341:8036:board", "--auto");
        const [, sysfsName, port] = /^serial is \S+ \((\S+)\) on port (\d+)\.$/m.exec(printed) ?? [];
        assert(sysfsName !== undefined, printed);
        const line = `keeps 2341:8036:board of ${address} on port ${port}. End it with: usbferry detach ${port}`;
        assert.equal(printed.split("\n")[1]!.replace(/^w\d+ /, ""), line);
        await host.end("SIGKILL");
        await untilGone(guest, sysfsName);
        await host.start(specification(APPLICATION), "zero");
        assert.equal(await untilKept(guest), sysfsName);

        await endAgent(guest, "SIGKILL");
        await untilGone(guest, sysfsName);
        await startAgent(guest);
        assert.equal(await untilKept(guest), sysfsName);
        assert.equal((await portsByCall(guest)).ports[0]!.port, Number(port));

        // One wish has its device, one waits for it.
        await keepByCall(guest, address, ["dead:beef"], "true");
        const { pid } = (await agentState(guest))!;
        await sleep(15_000);
        const before = [await sleepsOfAgent(guest, pid), sleeps(host.pid)];
        await sleep(idleSeconds * 1_000);
        const after = [await sleepsOfAgent(guest, pid), sleeps(host.pid)];
        const [agentSleeps, hostSleeps] = after.map((count, i) => count - before[i]!) as [number, number];
        print(
          `${idleSeconds} s of nothing: the agent went to sleep ${agentSleeps} times, the host ${hostSleeps} times`,
        );
        // A sign of life every 10 s, the control API's housekeeping every 5 s, and V8's. A timer of a second would show.
        const allowed = 0.8 * idleSeconds + 4;
        assert(agentSleeps <= allowed && hostSleeps <= allowed, `${agentSleeps} and ${hostSleeps} times`);

        assert.equal((await agentState(guest))!.wishes.length, 2);
        await guest.call("src/daemon/ports.js", "detachAll", []);
        assert.deepEqual((await agentState(guest))!.wishes, []);
      } finally {
        await host.remove();
        await leave(guest);
      }
    },
  };
}

/** Without a wish, and without an agent. */
async function leave(guest: Guest): Promise<void> {
  await guest.call("src/daemon/ports.js", "detachAll", []);
  await endAgent(guest);
}

async function sleepsOfAgent(guest: Guest, pid: number): Promise<number> {
  return (await guest.call("test/vm/guest/device-clock.js", "sleeps", [pid])) as number;
}

/** A server of another project, which knows nothing of events. */
export const stockHost: Scenario = {
  name: "a device of the kernel's own usbip-host is kept attached by asking for its list",
  expected: [...LINES, ...KERNEL_EXPORT_LINES],
  timeoutMs: 180_000,
  async run(guest) {
    await guest.loadModule(...KERNEL_EXPORT_MODULES);
    const address = "tcp:127.0.0.1:3240";
    await guest.shell("usbipd -D >/dev/null 2>&1");
    const printed = await outputOf(guest, "attach", address, DEVICE_NUMBERS, "--auto", "--json");
    const { wish, port } = JSON.parse(printed) as { wish: KeptWishState; port?: number };
    assert.deepEqual([wish.state, wish.watching, port], ["waiting", "polled", undefined]);
    assert.equal(wish.reason, "the host has no such device at this moment");
    const busid = (await guest.shell(EXPORT)).trim();
    try {
      const kept = async (): Promise<boolean> => (await agentState(guest))!.devices.length === 1;
      await guest.waitFor("the device to be attached", kept);
      const [first] = (await agentState(guest))!.devices;
      assert.equal(first!.busid, busid);
      await guest.shell(`usbip unbind -b ${busid}`);
      await guest.waitFor("the device to be lost", async () => !(await kept()));
      await guest.shell(`until usbip bind -b ${busid}; do usleep 100000; done`);
      await guest.waitFor("the device to be attached again", kept);
      const [again] = (await agentState(guest))!.devices;
      assert.equal(again!.port, first!.port);
      const log = (await guest.readFile("/run/usbferry/agent.log")).toString();
      assert.match(log, /EVENTS_NOT_PUSHED tcp:127\.0\.0\.1:3240 tells nothing/);
      await guest.call("src/daemon/ports.js", "detachAll", []);
    } finally {
      await guest.run(["sh", "-c", CLEAN_UP, "clean-up", busid]);
      await guest.unloadModule("usbip-host");
      await leave(guest);
    }
  },
};

/** A plain attach does not take the port of a device that is away for a moment. */
export const reservedPort: Scenario = {
  name: "the port of a device that is being flashed is left to it",
  expected: LINES,
  timeoutMs: 120_000,
  async run(guest) {
    const host = new ControlledHost();
    await host.start(specification(APPLICATION), "zero");
    const address = `tcp:${guest.hostAddress}:${host.port}`;
    try {
      const { device } = await keepByCall(guest, address, ["2341:8036"], "true");
      await host.unplug("serial");
      await untilGone(guest, device!.sysfsName);
      const other = await attachByCall(guest, address, "zero");
      assert.notEqual(other.port, device!.port);
      await host.plug(specification(APPLICATION));
      assert.equal(await untilKept(guest), device!.sysfsName);
      await guest.call("src/daemon/ports.js", "detachAll", []);
    } finally {
      await host.remove();
      await leave(guest);
    }
  },
};

export function autoAttach(counts: {
  readonly flashes: number;
  /** What attaching again may take beyond plugging in, where that is judged. */
  readonly limitMs?: number;
  readonly idleSeconds: number;
  readonly print?: (line: string) => void;
}): Scenario[] {
  const { flashes, limitMs, idleSeconds, print = toOutput } = counts;
  return [flashReset(flashes, limitMs, print), restarts(idleSeconds, print), reservedPort, stockHost];
}
