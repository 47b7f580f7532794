import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACH_LINES, LINK_LOST_LINES } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import { LinkHost } from "../link-host.ts";
import {
  attachByCall,
  attachDirectByCall,
  detachByCall,
  endAgent,
  portsByCall,
  sessionEnds,
  waitByCall,
} from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import type { VsockBackend } from "../vsock-backend.ts";

const MIB = 1024 * 1024;
const SERIAL_BYTES = 4096;

const DISK = "disk,size=8M,serial=disk";
const SERIAL = "serial,serial=serial";
const GADGETS = [DISK, SERIAL];

/** Of a link that is not TCP: a disk is written and read, and a serial port talks. */
async function checkGadgets(
  guest: Guest,
  attached: Readonly<Record<"disk" | "serial", string>>,
): Promise<void> {
  const content = randomBytes(2 * MIB);
  await writeFile(join(guest.scratch, "content"), content);
  const device = await blockDevice(guest, attached.disk);
  const read = await guest.shell(
    `dd if=/scratch/content of=${device} bs=64k conv=fsync 2>/dev/null && echo 3 > /proc/sys/vm/drop_caches &&
     head -c ${content.length} ${device} | sha256sum`,
    { timeoutMs: 60_000 },
  );
  assert.equal(read.split(" ")[0], createHash("sha256").update(content).digest("hex"), "the disk");
  await guest.loadModule("cdc-acm");
  await guest.waitFor("the serial port", "test -c /dev/ttyACM0");
  await guest.shell("stty -F /dev/ttyACM0 raw -echo");
  const args = ["/dev/ttyACM0", SERIAL_BYTES];
  assert.equal(await guest.call("test/vm/guest/serial.js", "exchange", args), -1, "the serial port");
}

async function leaveClean(guest: Guest): Promise<void> {
  await guest.call("src/daemon/ports.js", "detachAll", []);
  assert.deepEqual(await portsByCall(guest), { ports: [], waiting: [], wishes: [] });
}

type Attach = (guest: Guest, address: string, busid: string) => Promise<{ readonly sysfsName: string }>;

async function attachBoth(guest: Guest, address: string, attach: Attach): Promise<void> {
  const disk = await attach(guest, address, "disk");
  const serial = await attach(guest, address, "serial");
  await checkGadgets(guest, { disk: disk.sysfsName, serial: serial.sysfsName });
}

/** The host listens at a socket of the guest's vsock device; the guest dials its host. */
export function guestDials(backend: VsockBackend, way: "guarded" | "direct"): Scenario {
  return {
    name: `vsock to the host, ${way}: a disk and a serial port`,
    timeoutMs: 240_000,
    expected: ATTACH_LINES,
    async run(guest) {
      const host = await LinkHost.start(GADGETS, "--listen", `fc-vsock:${backend.path}:3240`);
      try {
        // Without a context id: the machine that this one runs on.
        await attachBoth(guest, "vsock:3240", way === "guarded" ? attachByCall : attachDirectByCall);
        await leaveClean(guest);
        await guest.waitFor("both sessions to end", () => ends(host).length === 2);
        assert.deepEqual(ends(host), ["OK", "OK"]);
      } finally {
        await host.stop();
        await endAgent(guest);
      }
    },
  };
}

function ends({ lines }: LinkHost): readonly string[] {
  return lines
    .filter(({ code, busid }) => code !== "IMPORTED" && busid !== undefined)
    .map(({ code }) => code);
}

/** The guest waits; the host dials it, and comes again after it was killed. */
export function hostDials(backend: VsockBackend): Scenario {
  return {
    name: "a host that dials through the guest's vsock device: a disk and a serial port, twice",
    timeoutMs: 240_000,
    expected: ATTACH_LINES,
    async run(guest) {
      const options = ["--connect", `fc-vsock:${backend.path}:5000`] as const;
      let host = await LinkHost.start(GADGETS, ...options);
      try {
        // It dials before anybody waits.
        await guest.waitFor("a dial in vain", () => host.when("DIAL_FAILED") !== undefined);
        await waitByCall(guest, "vsock:5000");
        const attached = await untilBoth(guest);
        await checkGadgets(guest, attached);
        await host.stop("SIGKILL");
        await guest.waitFor("nothing attached", async () => (await portsByCall(guest)).ports.length === 0);
        host = await LinkHost.start(GADGETS, ...options);
        await checkGadgets(guest, await untilBoth(guest));
        await leaveClean(guest);
      } finally {
        await host.stop();
        await endAgent(guest);
      }
    },
  };
}

async function untilBoth(guest: Guest): Promise<Readonly<Record<"disk" | "serial", string>>> {
  let found: ReadonlyMap<string, string> = new Map();
  await guest.waitFor(
    "both devices",
    async () => {
      const { ports } = await portsByCall(guest);
      found = new Map(ports.map(({ busid = "", sysfsName = "" }) => [busid, sysfsName]));
      return found.has("disk") && found.has("serial");
    },
    60_000,
  );
  return { disk: found.get("disk")!, serial: found.get("serial")! };
}

/** Host and guest side in one kernel. */
export const vsockLoopback: Scenario = {
  name: "vsock within a machine: guarded and direct",
  timeoutMs: 240_000,
  expected: ATTACH_LINES,
  async run(guest) {
    let isListening = false;
    const options = ["--listen", "vsock:1:3240", "--control", "off", "--gadget", "zero"];
    const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", "serve", ...options];
    const host = await guest.spawn(argv, () => {
      isListening = true;
    });
    try {
      await guest.waitFor("the host", () => isListening);
      for (const attach of [attachByCall, attachDirectByCall]) {
        const { node, port } = await attach(guest, "vsock:1:3240", "zero");
        for (const kind of ["in", "out", "iso"]) {
          const [status] = (await guest.call("test/vm/guest/one-transfer.js", "transferOnce", [
            node,
            kind,
          ])) as [number, number];
          assert.equal(status, 0, `${attach.name}, ${kind}`);
        }
        await detachByCall(guest, port);
      }
    } finally {
      await host.kill();
      await host.exit;
      await endAgent(guest);
    }
  },
};

/** Host and guest side in one kernel, and memory between them: the devices reach the kernel through vhci. */
export const sharedMemory: Scenario = {
  name: "memory of one machine: a disk and a serial port, and again after the host was killed",
  timeoutMs: 600_000,
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const address = "ring:/run/usbferry.ring";
    const serve = async (): Promise<GuestProcess> => {
      let isListening = false;
      const options = [
        "--listen",
        address,
        "--control",
        "off",
        ...GADGETS.flatMap((one) => ["--gadget", one]),
      ];
      const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", "serve", ...options];
      const host = await guest.spawn(argv, () => {
        isListening = true;
      });
      await guest.waitFor("the host", () => isListening, 90_000);
      return host;
    };
    let host = await serve();
    try {
      await attachBoth(guest, address, attachByCall);
      await host.kill();
      await host.exit;
      await guest.waitFor("nothing attached", async () => (await portsByCall(guest)).ports.length === 0);
      host = await serve();
      await attachBoth(guest, address, attachByCall);
      await leaveClean(guest);
      assert.deepEqual(
        (await sessionEnds(guest, 4)).slice(-2).map(({ code }) => code),
        ["OK", "OK"],
      );
    } finally {
      await host.kill();
      await host.exit;
      await endAgent(guest);
    }
  },
};

/** The promises of a link, judged where the kernel has vsock within a machine. */
export const vsockConformance: Scenario = {
  name: "the promises of a link hold over vsock",
  timeoutMs: 180_000,
  async run(guest) {
    const argv = [
      "/node/bin/node",
      "--test",
      "--test-reporter=tap",
      "/repo/dist/test/conformance/vsock.test.js",
    ];
    const { code, stdout } = await guest.run(argv, { timeoutMs: 170_000 });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^# pass 30$/m, "three kinds of link with ten promises each");
    assert.match(stdout, /^# skipped 0$/m);
  },
};

/** docs/links.md: within this time a host notices that nobody takes what it sends. */
const LIMIT_MS = 10_000;
const SLACK_MS = 3_000;

/** A program in the guest that reads all the time; resolves when data flows. */
async function startStream(guest: Guest, node: string): Promise<GuestProcess> {
  let flowing = false;
  const stream = await guest.spawn(guest.nodeProgram("test/vm/guest/stream.js", node), (line) => {
    if (line === "streaming") flowing = true;
  });
  await guest.waitFor("data to flow", () => flowing);
  return stream;
}

/** The backend is stopped for half a minute in mid-traffic, as a machine that is suspended. */
export function backendStopped(backend: VsockBackend): Scenario {
  return {
    name: "the vsock backend stops for 30 s in mid-traffic: the host notices, and the guest when it goes on",
    timeoutMs: 240_000,
    expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
    async run(guest) {
      const host = await LinkHost.start(["zero"], "--listen", `fc-vsock:${backend.path}:3240`);
      try {
        const { node } = await attachByCall(guest, "vsock:3240", "zero");
        const stream = await startStream(guest, node);
        const stoppedMs = performance.now();
        backend.signal("SIGSTOP");
        await guest.waitFor("the host to notice", () => ends(host).length > 0, 2 * LIMIT_MS);
        const noticedMs = host.lines.find(({ code }) => code === ends(host)[0])!.atMs - stoppedMs;
        console.log(`the host noticed after ${Math.round(noticedMs)} ms: ${ends(host)[0]}`);
        assert(noticedMs < LIMIT_MS + SLACK_MS, `noticed after ${noticedMs} ms`);
        await sleep(Math.max(0, stoppedMs + 30_000 - performance.now()));
        backend.signal("SIGCONT");
        await guest.waitFor("the port to be free", async () => (await portsByCall(guest)).ports.length === 0);
        await stream.exit;
        const again = await attachByCall(guest, "vsock:3240", "zero");
        const args = [again.node, "in"];
        assert.deepEqual(await guest.call("test/vm/guest/one-transfer.js", "transferOnce", args), [0, 512]);
        await leaveClean(guest);
      } finally {
        backend.signal("SIGCONT");
        await host.stop();
        await endAgent(guest);
      }
    },
  };
}

/** The last one of a guest: its vsock device is dead afterwards. */
export function backendKilled(backend: VsockBackend): Scenario {
  return {
    name: "the vsock backend is killed: the host notices at once, and the guest can still detach",
    timeoutMs: 240_000,
    expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
    async run(guest) {
      const host = await LinkHost.start(["zero"], "--listen", `fc-vsock:${backend.path}:3240`);
      try {
        await attachByCall(guest, "vsock:3240", "zero");
        const killedMs = performance.now();
        backend.signal("SIGKILL");
        await guest.waitFor("the host to notice", () => ends(host).length > 0, 2 * LIMIT_MS);
        const noticedMs = host.lines.find(({ code }) => code === ends(host)[0])!.atMs - killedMs;
        console.log(`the host noticed after ${Math.round(noticedMs)} ms: ${ends(host)[0]}`);
        assert(noticedMs < SLACK_MS, `noticed after ${noticedMs} ms`);
        await sleep(LIMIT_MS);
        const { ports } = await portsByCall(guest);
        console.log(`after ${LIMIT_MS} ms the guest has ${ports.length} ports in use`);
        // Its kernel is told nothing, so it is for a person to end it.
        await leaveClean(guest);
      } finally {
        await host.stop();
        await endAgent(guest);
      }
    },
  };
}
