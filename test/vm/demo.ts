/** `npm run demo`: a real Linux kernel, booted here and now, uses gadgets that this process serves. */
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { type Attachment, attach, detachAll } from "./attachment.ts";
import type { UsbtestResult } from "./guest/usbtest.ts";
import type { Guest } from "./guest.ts";
import { ServedHost } from "./served-host.ts";
import { prepareTestBed } from "./test-bed.ts";

const TEXT = "hello from usbferry";

function say(line: string): void {
  console.log(`\n==> ${line}`);
}

/** Runs a command in the guest and shows both, as a terminal would. */
async function show(guest: Guest, command: string): Promise<void> {
  console.log(`guest# ${command}`);
  const stdout = await guest.shell(command);
  process.stdout.write(stdout.replaceAll(/^(?=.)/gm, "    "));
}

/** Shows which keys the guest's input layer reports while text is typed on the host. */
async function type(guest: Guest, keyboard: Keyboard, { sysfsName }: Attachment): Promise<void> {
  const event = `$(basename /sys/bus/usb/devices/${sysfsName}/*:*/*/input/input*/event*)`;
  await guest.waitFor("an input device", `test -e /dev/input/${event}`);
  let reading = false;
  let keys = 0;
  const path = `/dev/input/${(await guest.shell(`echo ${event}`)).trim()}`;
  const reader = await guest.spawn(guest.nodeProgram("test/vm/guest/evdev.js", path), (line) => {
    if (line.includes("ready")) reading = true;
    if (line.includes('"type":1') && line.includes('"value":1')) keys++;
  });
  await guest.waitFor("the reader to be ready", () => reading);
  keyboard.type(TEXT);
  await guest.waitFor("the keys", () => keys >= TEXT.length);
  await reader.kill("SIGKILL");
  console.log(`    ${path} reported ${keys} key presses for ${TEXT.length} characters`);
}

async function main(): Promise<void> {
  say("Preparing a virtual machine from Debian's packages (the first time takes a while)");
  const bed = await prepareTestBed((line) => console.log(`    ${line}`));
  const keyboard = new Keyboard({ serial: "keyboard" });
  const zero = new Zero({ speed: Speed.super, serial: "zero" });
  const host = await ServedHost.start({ keyboard, zero });

  say(`Serving a keyboard and gadget zero on tcp:127.0.0.1:${host.port}; booting Linux`);
  const guest = await bed.boot({
    kernel: "6.12",
    modules: ["vhci-hcd", "usbhid", "hid-generic", "evdev", "usbtest"],
  });
  try {
    await show(guest, "uname -sr");
    await show(guest, `usbip --tcp-port ${host.port} list -r ${guest.hostAddress} 2>/dev/null`);

    say("The stock usbip tool attaches both");
    const [attachedKeyboard, attachedZero] = await attach(guest, host.port, ["keyboard", "zero"]);
    await show(guest, "lsusb 2>/dev/null | grep -v 'Virtual Host Controller'");
    await show(guest, "dmesg | grep -E 'Product|input:|usbtest' | tail -n 6");

    say(`The host types "${TEXT}"`);
    await type(guest, keyboard, attachedKeyboard!);

    say("The kernel's own USB test driver writes and reads 100 times 64 KiB");
    for (const [test, what] of [
      [1, "written"],
      [2, "read"],
    ] as const) {
      const parameters = { test, iterations: 100, length: 65_536, vary: 0, sglen: 0 };
      const args = [attachedZero!.node, 0, parameters];
      const { errno, durationMs } = (await guest.call(
        "test/vm/guest/usbtest.js",
        "usbtest",
        args,
      )) as UsbtestResult;
      console.log(
        `    ${what}: ${errno === 0 ? `passed in ${Math.round(durationMs)} ms` : `failed with errno ${errno}`}`,
      );
    }

    say("Detaching");
    await guest.unloadModule("usbtest");
    await detachAll(guest);
    await show(guest, "lsusb 2>/dev/null | grep -v 'Virtual Host Controller' || echo no devices are left");
  } finally {
    await guest.stop();
    await host.stop();
  }
  say("Done. `npm start` serves the same gadgets to a kernel of yours.");
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
