import assert from "node:assert/strict";
import { ATTACH_LINES, type Attachment, attach, LINK_LOST_LINES, portsInUse } from "../attachment.ts";
import {
  type EmulatedDevice,
  KEYBOARD,
  LOUDSPEAKER,
  type Place,
  plug,
  serialAdapter,
} from "../emulated-device.ts";
import type { Load, LoadEnd } from "../guest/device-load.ts";
import type { RealSourceName } from "../guest/real-source.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** Kernel lines that real use of a device through usbfs provokes. */
const USBFS_LINES = [
  {
    pattern: /usb .*: usbfs: process \d+ .* called USBDEVFS_CLEAR_HALT for active endpoint/,
    reason: "the suite clears a halt as soon as its read has failed",
  },
];

const LOAD = "test/vm/guest/device-load.js";

/** The suite of the waist, on a gadget that the guest's kernel takes for a device of flesh and blood. */
export function usbfsConformance(kind: string, speed: string, loop: "event" | "poll" = "event"): Scenario {
  return realConformance("usbfs", kind, speed, loop);
}

export function realConformance(
  source: RealSourceName,
  kind: string,
  speed: string,
  loop: "event" | "poll" = "event",
): Scenario {
  return {
    name: `${source} keeps the promises of the waist: ${kind} at ${speed} speed, on the ${loop} loop`,
    expected: [...ATTACH_LINES, ...LINK_LOST_LINES, ...USBFS_LINES],
    timeoutMs: 300_000,
    async run(guest) {
      const host = await ServedHost.start({ [kind]: `${kind},speed=${speed},serial=${kind}` });
      try {
        const [attachment] = await attach(guest, host.port, [kind]);
        const [port] = await portsInUse(guest);
        const { sysfsName } = attachment!;
        const program = "test/vm/guest/device-conformance.js";
        const argv = guest.nodeProgram(program, kind, sysfsName, String(port), source, loop);
        const { code, stdout, stderr } = await guest.run(argv, { timeoutMs: 280_000 });
        assert.equal(code, 0, `${stdout}${stderr}`);
        assert.match(stdout, /^# pass [1-9]\d*$/m);
        assert.match(stdout, /^# skipped 0$/m);
      } finally {
        await host.stop();
      }
    },
  };
}

/** Control, bulk both ways and isochronous, all at once. */
const ZERO_LOAD: Load = {
  configuration: 3,
  alternates: [[0, 1]],
  streams: [
    { type: "control", endpoint: 0x80, length: 18, depth: 2 },
    { type: "bulk", endpoint: 0x81, length: 16_384, depth: 4 },
    { type: "bulk", endpoint: 0x01, length: 3000, depth: 4 },
    { type: "isochronous", endpoint: 0x82, length: 256, packets: 160, depth: 3 },
  ],
};
const KEYBOARD_LOAD: Load = {
  configuration: 1,
  streams: [
    { type: "control", endpoint: 0x80, length: 18, depth: 1 },
    { type: "interrupt", endpoint: 0x81, length: 8, depth: 4 },
  ],
};
const SERIAL_LOAD: Load = {
  configuration: 1,
  streams: [
    { type: "control", endpoint: 0x80, length: 18, depth: 1 },
    { type: "bulk", endpoint: 0x81, length: 64, depth: 4 },
    { type: "bulk", endpoint: 0x02, length: 64, depth: 4 },
  ],
};
const LOUDSPEAKER_LOAD: Load = {
  configuration: 1,
  alternates: [[1, 1]],
  streams: [
    { type: "control", endpoint: 0x80, length: 18, depth: 1 },
    { type: "isochronous", endpoint: 0x01, length: 192, packets: 8, depth: 4 },
  ],
};

/** A device that can be pulled out while a load runs on it. */
interface Removable {
  readonly busid: string;
  readonly load: Load;
  readonly pull: () => Promise<unknown>;
}

async function emulated(guest: Guest, device: EmulatedDevice, load: Load, place: Place): Promise<Removable> {
  const { busid, pull } = await plug(guest, device, place);
  return { busid, load, pull };
}

async function attachedZero(guest: Guest, host: ServedHost): Promise<Removable> {
  const [{ sysfsName }] = (await attach(guest, host.port, ["zero"])) as [Attachment];
  const [port] = await portsInUse(guest);
  return {
    busid: sysfsName,
    load: ZERO_LOAD,
    pull: () => guest.shell(`echo ${port} > /sys/devices/platform/vhci_hcd.0/detach`),
  };
}

/** What is on the bus when the plug goes is a bus error, as long as no hub has told that nobody is there. */
const GONE = new Set(["disconnected", "protocol", "crc", "timeout"]);

/** The plug is pulled under load, on every transfer type and every controller in turn. */
export function surpriseRemovals(count: number, source: RealSourceName = "usbfs"): Scenario {
  return {
    name: `${source}: ${count} devices are pulled out in mid-traffic: transfers end as disconnected, nothing is left open`,
    expected: [
      ...ATTACH_LINES,
      ...LINK_LOST_LINES,
      { pattern: /usb_serial|ftdi_sio|snd_usb|hid|input/, reason: "drivers speak of what they lose" },
    ],
    timeoutMs: 60_000 + count * 20_000,
    async run(guest) {
      const host = await ServedHost.start({ zero: "zero,serial=zero" });
      const { device: serial, wire } = await serialAdapter(guest);
      wire.resume();
      const devices = [
        () => attachedZero(guest, host),
        () => emulated(guest, KEYBOARD, KEYBOARD_LOAD, { controller: "uhci", port: 1 }),
        () => emulated(guest, LOUDSPEAKER, LOUDSPEAKER_LOAD, { controller: "xhci", port: 3 }),
        () => emulated(guest, serial, SERIAL_LOAD, { controller: "xhci", port: 4 }),
      ];
      const seen = new Map<string, number>();
      let descriptors: unknown;
      try {
        for (let round = 0; round < count; round++) {
          const { busid, load, pull } = await devices[round % devices.length]!();
          await guest.call(LOAD, "startLoad", [busid, load, 20, source]);
          await pull();
          const end = (await guest.call(LOAD, "endOfLoad", [busid])) as LoadEnd;
          assert.deepEqual([end.unplugs, end.left], [1, 0], `round ${round}: ${JSON.stringify(end)}`);
          const depth = load.streams.reduce((sum, stream) => sum + stream.depth, 0);
          assert.equal(
            end.statuses.length,
            depth,
            `round ${round}: each URB ends once, ${JSON.stringify(end)}`,
          );
          assert.equal(end.afterwards, "disconnected", `round ${round}`);
          for (const status of end.statuses) {
            assert(GONE.has(status), `round ${round}: ${status}`);
            seen.set(status, (seen.get(status) ?? 0) + 1);
          }
          const open = await guest.call(LOAD, "countDescriptors", []);
          // The first round of each kind opens what stays: a thread, its event descriptor.
          if (round < devices.length) descriptors = open;
          else assert.equal(open, descriptors, `round ${round}: descriptors`);
        }
        console.log(`transfers ended as ${JSON.stringify(Object.fromEntries(seen))}`);
      } finally {
        wire.destroy();
        await host.stop();
      }
    },
  };
}
