import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACH_LINES, detachAll } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import { plug, stick } from "../emulated-device.ts";
import type { StickSpeed } from "../guest/block-speed.ts";
import type { LoadEnd } from "../guest/device-load.ts";
import type { Guest } from "../guest.ts";
import { bind, GuestHost, unbindAll } from "../guest-host.ts";
import type { Scenario } from "../scenario.ts";

const MIB = 16;
const KERNEL_PORT = 3250;
const OUR_PORT = 3240;
const LOAD = "test/vm/guest/device-load.js";
const LOAD_MS = 2_000;
const DEPTH = 16;

/** What is measured of one contender: more is better, except where the name ends in Ms. */
type Figures = Readonly<Record<string, number>>;

/** Bulk endpoints without an end, on the guest's emulated controller. */
const SOURCE = `
  modprobe usb_f_ss_lb; modprobe libcomposite; modprobe dummy_hcd
  grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config
  mkdir /sys/kernel/config/usb_gadget/source && cd /sys/kernel/config/usb_gadget/source
  echo 0x0525 > idVendor; echo 0xa4a0 > idProduct
  mkdir configs/c.1 functions/SourceSink.0 strings/0x409; echo source > strings/0x409/serialnumber
  ln -s functions/SourceSink.0 configs/c.1/
  echo dummy_udc.0 > UDC
  until [ -n "$(cat /sys/devices/platform/dummy_hcd.0/usb*/*/bConfigurationValue 2>/dev/null)" ]; do usleep 50000; done
  basename $(dirname $(ls -d /sys/devices/platform/dummy_hcd.0/usb*/*-*/bConfigurationValue))`;

/** Attaches what the host at a port shares, and answers how sysfs calls it here. */
async function attachFrom(guest: Guest, port: number, busid: string): Promise<string> {
  await guest.shell(`usbip --tcp-port ${port} attach -r 127.0.0.1 -b ${busid}`);
  const found = "ls -d /sys/devices/platform/vhci_hcd.0/usb*/*-*/*:1.0 2>/dev/null";
  await guest.waitFor(`${busid} to be here`, `[ -n "$(${found})" ]`);
  return (await guest.shell(`basename $(dirname $(${found}))`)).trim();
}

async function nodeOf(guest: Guest, busid: string): Promise<string> {
  const numbers = await guest.shell(`cd /sys/bus/usb/devices/${busid}; cat busnum devnum`);
  return `/dev/bus/usb/${numbers
    .trim()
    .split("\n")
    .map((text) => text.padStart(3, "0"))
    .join("/")}`;
}

/** Runs `measure` on a device that the kernel's own server shares, or ours. */
async function through(
  guest: Guest,
  contender: "kernel" | "usbferry",
  busid: string,
  measure: (here: string) => Promise<Figures>,
): Promise<Figures> {
  if (contender === "kernel") await guest.shell(`usbip bind -b ${busid}`);
  else await bind(guest, busid, true);
  try {
    return await measure(await attachFrom(guest, contender === "kernel" ? KERNEL_PORT : OUR_PORT, busid));
  } finally {
    await detachAll(guest);
    if (contender === "kernel") await guest.shell(`usbip unbind -b ${busid}`);
    else await unbindAll(guest);
    await sleep(500);
  }
}

async function bulkFigures(guest: Guest, here: string): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const length of [512, 16_384, 65_536]) {
    const streams = [{ type: "bulk", endpoint: 0x81, length, depth: DEPTH }];
    await guest.call(LOAD, "startLoad", [here, { configuration: 1, streams }, 50]);
    const before = (await guest.call(LOAD, "progress", [here])) as LoadEnd;
    const startMs = performance.now();
    await sleep(LOAD_MS);
    const after = (await guest.call(LOAD, "stopLoad", [here])) as LoadEnd;
    figures[`bulk ${length} x${DEPTH}`] = (1000 * (after.went - before.went)) / (performance.now() - startMs);
  }
  return figures;
}

/** Beside the kernel's own server, in one boot, in turns. What is printed is ours divided by the kernel's. */
export function usbfsSpeed(rounds: number): Scenario {
  return {
    name: "the same devices through usbferry and through the kernel's own usbip-host, in turns",
    expected: [
      ...ATTACH_LINES,
      {
        pattern: /usbip-host|usb-storage|scsi|sd |usbtest|usb .*/,
        reason: "speed is judged here, not what is said",
      },
    ],
    timeoutMs: 240_000 + rounds * 120_000,
    async run(guest) {
      await guest.loadModule("usbip-host", "usb-storage", "sd_mod");
      await guest.shell(`usbipd -D -t ${KERNEL_PORT} >/dev/null 2>&1`);
      const host = await GuestHost.start(guest);
      const image = join(guest.folder, "measured");
      const content = randomBytes(MIB << 20);
      await writeFile(image, content);
      const sha256 = createHash("sha256").update(content).digest("hex");
      const { busid, pull } = await plug(guest, await stick(guest, image, "measured"), {
        controller: "xhci",
        port: 7,
      });
      const source = (await guest.shell(SOURCE)).trim();
      const ratios = new Map<string, number[]>();
      try {
        for (let round = 0; round < rounds; round++) {
          const figures: Partial<Record<"kernel" | "usbferry", Figures>> = {};
          const order =
            round % 2 === 0 ? (["kernel", "usbferry"] as const) : (["usbferry", "kernel"] as const);
          for (const contender of order) {
            const ofStick = await through(guest, contender, busid, async (here) => {
              const disk = await blockDevice(guest, here);
              const args = [disk, await nodeOf(guest, here), MIB << 20];
              const measured = await guest.call(
                "test/vm/guest/block-speed.js",
                "measureStick",
                args,
                100_000,
              );
              const { sha256: read, ...speeds } = measured as StickSpeed;
              assert.equal(read, sha256);
              return speeds;
            });
            const ofSource = await through(guest, contender, source, (here) => bulkFigures(guest, here));
            figures[contender] = { ...ofStick, ...ofSource };
          }
          for (const [name, ours] of Object.entries(figures.usbferry!)) {
            const kernel = figures.kernel![name]!;
            const ratio = name.endsWith("Ms") ? kernel / ours : ours / kernel;
            ratios.set(name, [...(ratios.get(name) ?? []), ratio]);
            console.log(
              `${name}: ours ${ours.toFixed(2)}, kernel ${kernel.toFixed(2)}, ratio ${ratio.toFixed(2)}`,
            );
          }
        }
        for (const [name, list] of ratios) {
          const median = list.toSorted((a, b) => a - b)[list.length >> 1]!;
          console.log(`${name}: median ratio ${median.toFixed(2)} of ${list.length}`);
        }
      } finally {
        await host.end("SIGTERM");
        await pull();
        await guest.shell("kill $(pidof usbipd); echo > /sys/kernel/config/usb_gadget/source/UDC; true");
      }
    },
  };
}
