import assert from "node:assert/strict";
import { ATTACH_LINES, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const EXPECTED = {
  "zero-full": ["12", "0525:a4a0", "Gadget Zero"],
  "zero-high": ["480", "0525:a4a0", "Gadget Zero"],
  "zero-super": ["5000", "0525:a4a0", "Gadget Zero"],
  "keyboard-low": ["1.5", "1209:0001", "Keyboard"],
  "keyboard-full": ["12", "1209:0001", "Keyboard"],
  "keyboard-high": ["480", "1209:0001", "Keyboard"],
  "keyboard-super": ["5000", "1209:0001", "Keyboard"],
};

/** Every gadget at every speed it has, listed by the stock tool; our own ways have the kernel make short work of it. */
export function speeds(way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `gadgets attach at their speeds${way.words}`,
    expected: ATTACH_LINES,
    timeoutMs: 240_000,
    run: (guest) => attachAtSpeeds(guest, way),
  };
}

async function attachAtSpeeds(guest: Guest, way: AttachWay): Promise<void> {
  const host = await ServedHost.start({
    "zero-full": "zero,speed=full,serial=zero-full",
    "zero-high": "zero,speed=high,serial=zero-high",
    "zero-super": "zero,speed=super,serial=zero-super",
    "keyboard-low": "keyboard,speed=low,serial=keyboard-low",
    "keyboard-full": "keyboard,speed=full,serial=keyboard-full",
    "keyboard-high": "keyboard,speed=high,serial=keyboard-high",
    "keyboard-super": "keyboard,speed=super,serial=keyboard-super",
  });
  try {
    const list = await guest.shell(`usbip --tcp-port ${host.port} list -r ${guest.hostAddress} 2>/dev/null`);
    for (const [busid, [, id]] of Object.entries(EXPECTED))
      assert.match(list, new RegExp(`${busid}: .*\\(${id}\\)`));
    for (const { busid, sysfsName, speed } of await way.attach(guest, host.port, Object.keys(EXPECTED))) {
      const about = await guest.shell(
        `cd /sys/bus/usb/devices/${sysfsName}; echo $(cat idVendor):$(cat idProduct); cat product`,
      );
      const quirks = (await guest.shell(`cat /sys/bus/usb/devices/${sysfsName}/port/quirks`)).trim();
      if (way !== STOCK_TOOL) assert.equal(quirks, "00000002", busid);
      assert.deepEqual([speed, ...about.trim().split("\n")], EXPECTED[busid as keyof typeof EXPECTED]);
    }
    const left = await guest.shell(`usbip --tcp-port ${host.port} list -r ${guest.hostAddress} 2>&1`);
    assert.match(left, /no exportable devices/);
    await way.detachAll(guest);
    await guest.waitFor("every session to end", () => host.endings.length >= Object.keys(EXPECTED).length);
    const codes = host.endings.filter(({ busid }) => busid !== undefined).map(({ code }) => code);
    assert.deepEqual(
      codes,
      Object.keys(EXPECTED).map(() => "OK"),
    );
  } finally {
    try {
      await way.detachAll(guest);
    } finally {
      await host.stop();
    }
  }
}
