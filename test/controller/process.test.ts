import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { descriptorOf } from "../../src/links/stream-handle.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { connectUnix } from "../../src/linux/unix-socket.ts";
import { Command } from "../../src/vfio-user/messages.ts";
import { ControllerProcess } from "../support/controller-process.ts";
import { sayAt } from "../support/hotplug-client.ts";
import { onLinux, openPair, openPollLoop } from "../support/poll-loop.ts";
import { usbferry } from "../support/usbferry.ts";
import { VfioUserClient } from "../support/vfio-user-client.ts";
import { ClientMemory } from "../support/vfio-user-served.ts";
import { ControlledHost } from "../vm/controlled-host.ts";
import { ServedHost } from "../vm/served-host.ts";

const loop = openPollLoop();

function connect(path: string): VfioUserClient {
  const fd = connectUnix(path);
  assert(!(fd instanceof SystemError));
  return new VfioUserClient(fd, loop);
}

/** Port status (xHCI §5.4.8): connected, and of which speed. */
function portOf(client: VfioUserClient, number: number): { connected: boolean; speed: number } {
  const status = client.peek(0, 0x440 + 16 * (number - 1), 4);
  return { connected: (status & 1) === 1, speed: (status >> 10) & 15 };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    // oxlint-disable-next-line no-await-in-loop -- looked at again
    if (await holds()) return;
    // oxlint-disable-next-line no-await-in-loop
    await sleep(20);
  }
  assert.fail(`${what}: not seen`);
}

test("a VM finds an xHCI controller with its devices, and the next VM the same", onLinux, async () => {
  const controller = await ControllerProcess.start("--gadget", "keyboard", "--gadget", "disk,size=1M");
  const memory = new ClientMemory(1 << 20);
  try {
    for (let life = 0; life < 3; life++) {
      const client = connect(controller.socket);
      assert.equal(client.greet().error, 0);
      assert.equal(client.peek(7, 8, 4) >>> 8, 0x0c0330);
      assert.equal(client.peek(7, 0x60, 2), 0x2030);
      assert.equal(client.peek(0, 0, 1), 0x40);
      assert.equal(client.map(0, 1 << 20, { fd: memory.fd }), 0);
      assert.deepEqual(portOf(client, 1), { connected: true, speed: 1 });
      assert.deepEqual(portOf(client, 9), { connected: true, speed: 4 });
      assert.equal(portOf(client, 2).connected, false);
      client.close();
    }
    await until(
      "the third end",
      async () => controller.lines.filter(({ code }) => code === "VM_GONE").length === 3,
    );
    const { connected, devices } = await controller.state();
    assert.equal(connected, false);
    assert.deepEqual(
      devices.map(({ name, port, speed }) => [name, port, speed]),
      [
        ["keyboard", 1, "full"],
        ["disk", 9, "super"],
      ],
    );
  } finally {
    memory.close();
    await controller.stop();
  }
  assert.equal(await controller.exit, 0);
  assert.equal(existsSync(controller.socket), false);
});

test("devices are plugged in and out by the command line while a VM runs", onLinux, async () => {
  const controller = await ControllerProcess.start();
  const client = connect(controller.socket);
  const run = (action: string, ...rest: readonly string[]): string => {
    const { code, stdout, stderr } = usbferry([
      "controller",
      action,
      "--control",
      controller.control,
      ...rest,
    ]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  try {
    assert.equal(client.greet().error, 0);
    assert.equal(run("list"), "Nothing is plugged in.\nA VM has the controller.\n");
    assert.equal(run("plug", "zero,speed=high"), "zero is in port 1.\n");
    assert.deepEqual(portOf(client, 1), { connected: true, speed: 3 });
    assert.equal(run("plug", "zero,speed=high"), "zero-2 is in port 2.\n");
    assert.match(run("list"), /^PORT {2}NAME .*\n1 .*0525:a4a0 {2}high .*zero,speed=high\n2 +zero-2 /);
    const several = usbferry(["controller", "unplug", "--control", controller.control, "zero,speed=high"]);
    assert.equal(several.code, 1);
    assert.match(several.stderr, /may be zero or zero-2/);
    assert.equal(run("unplug", "zero"), "zero is unplugged.\n");
    assert.equal(portOf(client, 1).connected, false);
    assert.equal(run("unplug", "2"), "zero-2 is unplugged.\n");
    const unknown = usbferry(["controller", "unplug", "--control", controller.control, "zero"]);
    assert.match(unknown.stderr, /there is no "zero" in this controller\. Nothing is plugged in\./);
    const wrong = usbferry(["controller", "plug", "--control", controller.control, "zero,speed=warp"]);
    assert.equal(wrong.code, 2);
  } finally {
    client.close();
    await controller.stop();
  }
});

test(
  "there are ports for eight devices of each kind, and a ninth is told why it has none",
  onLinux,
  async () => {
    const controller = await ControllerProcess.start();
    try {
      for (let port = 1; port <= 8; port++) {
        // oxlint-disable-next-line no-await-in-loop -- their order is that of the ports
        assert.equal((await controller.plug("mouse")).port, port);
      }
      await assert.rejects(controller.plug("mouse"), /mouse was not plugged in: every port is taken/);
      assert.equal((await controller.plug("zero,speed=super")).port, 9);
      await controller.unplug("mouse-3");
      assert.deepEqual(
        [(await controller.plug("mouse")).port, (await controller.state()).devices.length],
        [3, 9],
      );
    } finally {
      await controller.stop();
    }
  },
);

test("a device of another host is imported and given back", onLinux, async () => {
  const host = await ServedHost.start({ zero: "zero,speed=high" });
  const controller = await ControllerProcess.start();
  try {
    const address = `tcp:127.0.0.1:${host.port}`;
    const { name, port, vid } = await controller.plug(`0525:a4a0@${address}`);
    assert.deepEqual([name, port, vid], [`zero@${address}`, 1, "0525"]);
    await assert.rejects(controller.plug(`zero@${address}`), /zero/);
    await assert.rejects(controller.plug(`zero@tcp:127.0.0.1:1`), /ECONNREFUSED/);
    await controller.unplug(name);
    assert.equal((await controller.plug(`zero@${address}`)).port, 1);
  } finally {
    await controller.stop();
    await host.stop();
  }
});

test("a device of another host leaves with it, and comes back when the host does", onLinux, async () => {
  const host = new ControlledHost();
  await host.start("zero,speed=high");
  const controller = await ControllerProcess.start();
  const ports = async (): Promise<unknown> =>
    (await controller.state()).devices.map(({ name, port }) => [name, port]);
  try {
    const source = `0525:a4a0@tcp:127.0.0.1:${host.port}`;
    const { name } = await controller.plug(source);
    for (let life = 0; life < 2; life++) {
      // oxlint-disable-next-line no-await-in-loop -- one life after the other
      await host.end("SIGKILL");
      // oxlint-disable-next-line no-await-in-loop
      await until("the device to leave", async () => isDeepStrictEqual(await ports(), [[source, undefined]]));
      // oxlint-disable-next-line no-await-in-loop
      await host.start("zero,speed=high");
      // oxlint-disable-next-line no-await-in-loop
      await until("the device to be back", async () => isDeepStrictEqual(await ports(), [[name, 1]]));
    }
    await host.end("SIGKILL");
    await until("the device to leave", async () => isDeepStrictEqual(await ports(), [[source, undefined]]));
    await controller.unplug(source);
    assert.deepEqual(await ports(), []);
    await host.start("zero,speed=high");
    assert.equal((await controller.plug(source)).name, name);
    assert.deepEqual(await ports(), [[name, 1]]);
  } finally {
    await controller.stop();
    await host.remove();
  }
});

test("a device of this machine that is not there is waited for, until it is unplugged", onLinux, async () => {
  const controller = await ControllerProcess.start("--device", "0403:6001");
  try {
    assert.deepEqual((await controller.state()).devices, [{ name: "0403:6001", source: "0403:6001" }]);
    await assert.rejects(controller.plug("0403:6001"), /was asked for before/);
    await controller.unplug("0403:6001");
    assert.deepEqual((await controller.state()).devices, []);
  } finally {
    await controller.stop();
  }
});

test("with a connected descriptor the controller ends when its VM does", onLinux, async () => {
  const [ours, theirs] = openPair();
  const controller = await ControllerProcess.startAt(theirs, "--gadget", "keyboard");
  const client = new VfioUserClient(ours, loop);
  assert.equal(client.greet().error, 0);
  assert.equal(portOf(client, 1).connected, true);
  client.close();
  assert.equal(await controller.exit, 0);
});

test("with a listening descriptor one VM comes after the other", onLinux, async () => {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-listening-"));
  const path = join(folder, "vm.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  const controller = await ControllerProcess.startAt(
    descriptorOf(server as unknown as Socket)!,
    "--gadget",
    "keyboard",
  );
  try {
    for (let life = 0; life < 2; life++) {
      const client = connect(path);
      assert.equal(client.greet().error, 0);
      assert.equal(portOf(client, 1).connected, true);
      client.close();
    }
  } finally {
    await controller.stop();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what passes between a VM and the controller is counted", onLinux, async () => {
  const controller = await ControllerProcess.start("--gadget", "keyboard");
  try {
    assert.deepEqual(await controller.traffic(), { answered: 0, posted: 0, interrupts: 0, transfers: 0 });
    const client = connect(controller.socket);
    client.greet();
    client.peek(0, 0x44, 4);
    client.post(0, 0x54, 4, 1);
    client.post(0, 0x54, 4, 2);
    assert.equal(client.peek(0, 0x54, 4), 2);
    client.poke(7, 4, 2, 2);
    assert.deepEqual(await controller.traffic(), { answered: 3, posted: 2, interrupts: 0, transfers: 0 });
    client.close();
  } finally {
    await controller.stop();
  }
});

test("a hot-plug socket is there as long as the controller", onLinux, async () => {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-hotplug-"));
  const path = join(folder, "hotplug.sock");
  const controller = await ControllerProcess.start("--hotplug-socket", path);
  const none = openSync("/dev/null", "r+");
  try {
    assert.deepEqual(await sayAt(path, [2, 0, 0]), [1, 0]);
    assert.deepEqual(await sayAt(path, [0, 1, 2], [none]), [4]);
    assert.deepEqual(await sayAt(path, [1, 1, 2]), [5]);
    await until("the reason", async () =>
      controller.lines.some(({ msg }) => msg.includes("what was passed for 001/002 is not its open node")),
    );
  } finally {
    closeSync(none);
    await controller.stop();
  }
  assert.deepEqual([await controller.exit, existsSync(path)], [0, false]);
  rmSync(folder, { recursive: true });
});

test("a VM that is killed with an answer unread is gone as any other", onLinux, async () => {
  const controller = await ControllerProcess.start();
  try {
    const killed = connect(controller.socket);
    killed.send(Command.VERSION, new TextEncoder().encode("\0\0\u0001\0{}\0"));
    // The rest of it is what its socket tells of.
    killed.read(1);
    killed.close();
    await until("its end", async () => controller.lines.some(({ code }) => code === "VM_GONE"));
    assert.match(controller.lines.at(-1)!.msg, /^VM_GONE the virtual machine is gone: .*ECONNRESET/);
  } finally {
    await controller.stop();
  }
});

test("a VM that breaks the protocol loses the controller, and the next one has it", onLinux, async () => {
  const controller = await ControllerProcess.start();
  try {
    const broken = connect(controller.socket);
    broken.sendBytes(new Uint8Array(64).fill(0xff));
    assert(broken.isOver());
    const next = connect(controller.socket);
    assert.equal(next.greet().error, 0);
    next.close();
    await until("the reason", async () => controller.lines.some(({ code }) => code === "BAD_LENGTH"));
  } finally {
    await controller.stop();
  }
});
