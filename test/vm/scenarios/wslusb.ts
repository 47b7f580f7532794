import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Keyboard } from "../../../src/gadgets/keyboard.ts";
import { Zero } from "../../../src/gadgets/zero.ts";
import { Speed } from "../../../src/usb/speed.ts";
import { ATTACH_LINES, LINK_LOST_LINES } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import { inputEvents } from "../input-events.ts";
import { keepByCall, portsByCall, SHARED } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";
import { loopedSound } from "./audio.ts";
import { cancelling } from "./cancelling.ts";
import { ext4 } from "./disk.ts";
import { serialPort } from "./serial.ts";
import { typing } from "./typing.ts";
import { usbtest } from "./usbtest.ts";

const MIB = 1024 * 1024;
const EV_KEY = 1;

/** Eight devices of one host over one connection: a keyboard is typed on while a disk is written, and one is pulled. */
const oneConnection: Scenario = {
  name: "eight devices over one connection: typing passes a disk that is written, and one is pulled",
  timeoutMs: 240_000,
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const keyboard = new Keyboard({ speed: Speed.full, serial: "keyboard" });
    const pulled = new Zero({ serial: "pulled" });
    const others = Object.fromEntries(
      ["a", "b", "c", "d", "e"].map((name) => [name, `zero,speed=high,serial=${name}`]),
    );
    const host = await ServedHost.start({ keyboard, pulled, disk: "disk,size=32M,serial=disk", ...others });
    try {
      const attachments = await SHARED.attach(guest, host.port, [
        "keyboard",
        "disk",
        "pulled",
        ...Object.keys(others),
      ]);
      assert.equal(attachments.length, 8);
      assert.equal(host.connections, 1);
      const device = await blockDevice(guest, attachments[1]!.sysfsName);
      await writeFile(join(guest.scratch, "noise"), randomBytes(16 * MIB));
      const { events, stop } = await inputEvents(guest, attachments[0]!);
      const writing = guest.shell(
        `for i in 1 2 3; do dd if=/scratch/noise of=${device} bs=1M conv=fsync 2>/dev/null || exit 1; done;
         dd if=${device} bs=1M count=16 2>/dev/null | cmp - /scratch/noise`,
        { timeoutMs: 180_000 },
      );
      let typed = 0;
      const state = { isWritten: false };
      const seen = (): number => events.filter(({ type }) => type === EV_KEY).length;
      const typeOn = async (): Promise<void> => {
        while (!state.isWritten) {
          assert.equal(keyboard.type("a"), undefined);
          typed++;
          await guest.waitFor("the key", () => seen() >= 2 * typed, 10_000);
        }
      };
      await Promise.all([typeOn(), writing.finally(() => (state.isWritten = true))]);
      stop();
      assert.ok(typed > 10, `${typed} keys while the disk was busy`);

      pulled.unplug();
      await guest.waitFor("seven devices", async () => (await portsByCall(guest)).ports.length === 7);
      assert.equal(host.connections, 1);
      await SHARED.detachAll(guest);
      await guest.waitFor("the connection to close", () => host.connections === 0);
    } finally {
      await host.stop();
    }
  },
};

/** What is plugged in is attached by what its host pushes. */
const pushed: Scenario = {
  name: "a device that is wished for is attached when its host tells that it is plugged in, over WSL-USB",
  timeoutMs: 120_000,
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const host = await ServedHost.start({ other: "zero,serial=other" });
    const address = `wslusb+tcp:${guest.hostAddress}:${host.port}`;
    try {
      const { wish, device } = await keepByCall(guest, address, ["keyboard"], "true");
      assert.deepEqual([device, wish.watching], [undefined, "pushed"]);
      for (let round = 0; round < 2; round++) {
        const keyboard = new Keyboard({ serial: "keyboard" });
        const unplug = host.plug("keyboard", keyboard);
        await guest.waitFor("the keyboard", async () => {
          const { ports } = await portsByCall(guest);
          return ports[0]?.busid === "keyboard" && ports[0].port === 0;
        });
        keyboard.unplug();
        await unplug();
        await guest.waitFor("no keyboard", async () => (await portsByCall(guest)).ports.length === 0);
      }
    } finally {
      try {
        await SHARED.detachAll(guest);
      } finally {
        await host.stop();
      }
    }
  },
};

/** The gadgets, their drivers and the kernel's own test of them, by a protocol that no kernel speaks. */
export function wslusb(measure: "short" | "full"): Scenario[] {
  return measure === "short"
    ? [usbtest("super", 2, SHARED), typing(["full"], SHARED), ext4(2, "high", SHARED)]
    : [
        usbtest("high", 2, SHARED),
        typing(["low"], SHARED),
        cancelling(20, SHARED),
        ext4(32, "super", SHARED),
        loopedSound(10, "high", SHARED),
        serialPort(100, SHARED),
        oneConnection,
        pushed,
      ];
}
