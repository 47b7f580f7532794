import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KERNELS } from "./debian/preparation.ts";
import { blockDevice } from "./disk.ts";
import { plug, stick } from "./emulated-device.ts";
import type { InputEvent } from "./guest/evdev.ts";
import type { UsbtestResult } from "./guest/usbtest.ts";
import { type Guest, GuestFailure } from "./guest.ts";
import { play, type Scenario, scenarios } from "./scenario.ts";
import { prepareTestBed } from "./test-bed.ts";

const GADGETS = "/sys/kernel/config/usb_gadget";

/** A device of the guest's own kernel, on its emulated controller. */
async function plugGadget(
  guest: Guest,
  name: string,
  id: readonly [string, string],
  setUp: string,
): Promise<void> {
  await guest.shell(`
    grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config
    mkdir ${GADGETS}/${name}
    cd ${GADGETS}/${name}
    echo ${id[0]} > idVendor
    echo ${id[1]} > idProduct
    mkdir configs/c.1
    ${setUp}
    echo dummy_udc.0 > UDC`);
}

async function unplugGadget(guest: Guest, name: string): Promise<void> {
  await guest.shell(`
    cd ${GADGETS}/${name}
    echo > UDC
    rm configs/c.1/*.0
    rmdir configs/c.1 functions/*
    rmdir ${GADGETS}/${name}`);
}

const JUNK: Scenario = {
  name: "junk on a vhci port",
  run: async (guest) => {
    await guest.call("test/vm/guest/junk-attach.js", "attachJunk", []);
    await guest.waitFor("the port is free again", "! usbip port 2>/dev/null | grep -q '^Port 00'");
  },
};

const JUNK_LINES = [
  { pattern: /usbip_core: unknown command/, reason: "the scenario sends one" },
  { pattern: /vhci_hcd: unknown pdu/, reason: "the scenario sends one" },
];

for (const kernel of KERNELS)
  scenarios(
    kernel,
    [
      {
        name: "is the kernel that was asked for",
        run: async (guest) => {
          assert.ok((await guest.shell("uname -r")).startsWith(`${kernel}.`));
          assert.ok(guest.release.startsWith(`${kernel}.`));
        },
      },
      {
        name: "runs Debian's usbip on vhci",
        run: async (guest) => {
          assert.match(await guest.shell("usbip version"), /usbip-utils/);
          const { code, stdout, stderr } = await guest.run(["usbip", "port"]);
          assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
          assert.match(stdout, /Imported USB devices/);
          assert.match(await guest.shell("lsusb"), /1d6b:0003 .* vhci_hcd USB\/IP Virtual Host Controller/);
        },
      },
      {
        name: "runs the runner's node",
        run: async (guest) => {
          const { stdout } = await guest.run([
            "/node/bin/node",
            "-p",
            'process.version + " " + process.execPath',
          ]);
          assert.equal(stdout, `${process.version} /node/bin/node\n`);
        },
      },
      {
        name: "reaches the runner's loopback and shares /scratch with it",
        run: async (guest) => {
          const server = createServer((socket) => socket.end("from the runner\n"));
          server.listen(0, "127.0.0.1");
          await once(server, "listening");
          const { port } = server.address() as AddressInfo;
          writeFileSync(join(guest.scratch, "runner"), "written outside");
          await guest.shell(
            `nc ${guest.hostAddress} ${port} </dev/null > /scratch/guest; cat /scratch/runner`,
          );
          assert.equal(readFileSync(join(guest.scratch, "guest"), "utf8"), "from the runner\n");
          assert.equal((await guest.readFile("/scratch/runner")).toString(), "written outside");
          server.close();
        },
      },
      {
        name: "plugs devices into its controllers, and pulls them out",
        run: async (guest) => {
          const content = randomBytes(1 << 20);
          writeFileSync(join(guest.folder, "stick"), content);
          const device = await stick(guest, join(guest.folder, "stick"), "stick");
          await guest.loadModule("usb-storage", "sd_mod");
          for (const [controller, speed] of [
            ["uhci", "12"],
            ["ehci", "480"],
            ["xhci", "5000"],
          ] as const) {
            const { busid, pull } = await plug(guest, device, { controller, port: 2 });
            assert.equal(
              (await guest.readFile(`/sys/bus/usb/devices/${busid}/speed`)).toString(),
              `${speed}\n`,
            );
            const node = await blockDevice(guest, busid);
            await guest.shell(`dd if=${node} of=/scratch/read bs=64k iflag=direct 2>/dev/null`);
            assert.ok(readFileSync(join(guest.scratch, "read")).equals(content));
            await pull();
            await guest.waitFor("it to be gone", `! test -e /sys/bus/usb/devices/${busid}`);
          }
        },
      },
      {
        name: "drives usbtest through usbfs",
        run: async (guest) => {
          await plugGadget(
            guest,
            "zero",
            ["0x0525", "0xa4a0"],
            "mkdir functions/SourceSink.0; ln -s functions/SourceSink.0 configs/c.1/",
          );
          const bound = "/sys/bus/usb/drivers/usbtest";
          await guest.waitFor("usbtest is bound", `ls ${bound} | grep -q :`);
          const sysfsName = (await guest.shell(`ls ${bound} | grep :`)).trim().split(":")[0]!;
          const node = (await guest.call("test/vm/guest/usbfs.js", "deviceNode", [sysfsName])) as string;
          const parameters = { test: 3, iterations: 20, length: 512, vary: 100, sglen: 0 };
          const passed = await guest.call("test/vm/guest/usbtest.js", "usbtest", [node, 0, parameters]);
          assert.equal((passed as UsbtestResult).errno, 0);
          // A bulk device has no isochronous endpoints for test 15, which must show.
          const program = guest.nodeProgram(
            "test/vm/guest/usbtest.js",
            node,
            "0",
            "15",
            "1",
            "512",
            "0",
            "1",
          );
          assert.equal((JSON.parse((await guest.run(program)).stdout) as UsbtestResult).errno, 95);
          await unplugGadget(guest, "zero");
        },
      },
      {
        name: "reports input events",
        run: async (guest) => {
          // A keyboard's report: modifiers, reserved, one key (HID 1.11 appendix B.1, shortened to one key).
          const descriptor =
            "05010906a101050719e029e71500250175019508810275089501810195017508150025650507190029658100c0";
          const escaped = descriptor.replace(/../g, "\\x$&");
          await plugGadget(
            guest,
            "keyboard",
            ["0x1d6b", "0x0104"],
            `mkdir functions/hid.0; echo 3 > functions/hid.0/report_length
             printf '${escaped}' > functions/hid.0/report_desc; ln -s functions/hid.0 configs/c.1/`,
          );
          await guest.waitFor(
            "the input device is there",
            'test -n "$(ls -d /sys/bus/hid/devices/*/input/*/event*)"',
          );
          const event = (await guest.shell("basename /sys/bus/hid/devices/*/input/*/event*")).trim();
          const events: InputEvent[] = [];
          let ready = false;
          const reader = await guest.spawn(
            guest.nodeProgram("test/vm/guest/evdev.js", `/dev/input/${event}`),
            (line) => {
              const value = JSON.parse(line) as InputEvent | { ready: true };
              if ("ready" in value) ready = true;
              else events.push(value);
            },
          );
          await guest.waitFor("the reader is ready", () => ready);
          await guest.shell("printf '\\0\\0\\004' > /dev/hidg0; printf '\\0\\0\\0' > /dev/hidg0");
          const EV_KEY = 1;
          const keys = (): InputEvent[] => events.filter((each) => each.type === EV_KEY);
          await guest.waitFor("two key events", () => keys().length === 2);
          assert.deepEqual(keys(), [
            { type: EV_KEY, code: 30 /* KEY_A */, value: 1 },
            { type: EV_KEY, code: 30, value: 0 },
          ]);
          await reader.kill();
          await reader.exit;
          await unplugGadget(guest, "keyboard");
        },
      },
      {
        name: "fails a scenario on an error of the kernel, unless it is expected",
        expected: JUNK_LINES,
        run: async (guest) => {
          await assert.rejects(play(JUNK, guest), /complains:[\s\S]*unknown pdu/);
          await play({ ...JUNK, expected: JUNK_LINES }, guest);
        },
      },
    ],
    {
      controllers: ["uhci", "ehci", "xhci"],
      modules: [
        "vhci-hcd",
        "dummy_hcd",
        "usbtest",
        "usbhid",
        "hid-generic",
        "libcomposite",
        "usb_f_ss_lb",
        "usb_f_hid",
        "evdev",
      ],
    },
  );

test("a guest that panics fails with the end of its console", async () => {
  const guest = await (await prepareTestBed()).boot({ kernel: "6.12" });
  await assert.rejects(guest.shell("echo c > /proc/sysrq-trigger"), (error) => {
    assert.ok(error instanceof GuestFailure);
    assert.match(error.message, /Kernel panic - not syncing: sysrq triggered crash/);
    return true;
  });
  await assert.rejects(guest.mark(), GuestFailure);
  await guest.stop();
});

test("a guest that hangs fails with the end of its log", async () => {
  const guest = await (await prepareTestBed()).boot({ kernel: "6.1", answerTimeoutMs: 3000 });
  await assert.rejects(guest.shell("kill -STOP $(pidof node)", { timeoutMs: 100 }), (error) => {
    assert.ok(error instanceof GuestFailure);
    assert.match(error.message, /hangs: no answer[\s\S]*end of the kernel's log[\s\S]*9p/);
    return true;
  });
  await guest.stop();
});

test("a killed test run leaves no QEMU behind", async () => {
  const runner = spawn(process.execPath, [join(import.meta.dirname, "forsaken-guest.js")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(runner.stdout), "line")) as [string];
  const cmdline = `/proc/${Number(line)}/cmdline`;
  // Empty where it has ended and nobody has asked for its exit code.
  const isRunning = (): boolean => existsSync(cmdline) && readFileSync(cmdline, "utf8") !== "";
  assert.match(readFileSync(cmdline, "utf8"), /qemu-system-x86_64/);
  runner.kill("SIGKILL");
  const end = performance.now() + 5000;
  while (isRunning() && performance.now() < end) await sleep(20);
  assert.ok(!isRunning(), "QEMU is still there five seconds after its runner was killed");
});
