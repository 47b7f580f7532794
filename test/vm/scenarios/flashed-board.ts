import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AttachedDevice } from "../../../src/daemon/attach.ts";
import { ATTACH_LINES, LINK_LOST_LINES } from "../attachment.ts";
import { type EmulatedDevice, insert, type Place, plug, serialAdapter, stick } from "../emulated-device.ts";
import type { Guest } from "../guest.ts";
import { GuestHost } from "../guest-host.ts";
import { outputOf, portsByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";

/** One board: what it is while its program runs, and while it is flashed. */
interface Face {
  readonly device: EmulatedDevice;
  /** Another one of the same kind, which is plugged straight in while the first one is shared. */
  readonly twin: EmulatedDevice;
  readonly vid: string;
  readonly pid: string;
}

interface Board {
  readonly application: Face;
  readonly bootloader: Face;
  /** Bus id of it for its host. */
  readonly busid: string;
  /** Bus id of what is plugged straight in. */
  readonly straight: string;
}

/** Both faces are of full speed there, and have the same bus id. */
const SHARED: Place = { controller: "uhci", port: 1 };
const STRAIGHT: Place = { controller: "uhci", port: 2 };

const IMAGE_BYTES = 65_536;

/**
 * A board is flashed again and again: it leaves and comes back as its bootloader, and once more as itself. What the kernel
 * logs the moment before it makes the device node is compared with what it logs of a board that is plugged straight in.
 */
export function flashedBoard(times: number): Scenario {
  return {
    name: `a board that comes back as another device, ${times} times, is attached again on the same port`,
    timeoutMs: 120_000 + times * 30_000,
    expected: [
      ...ATTACH_LINES,
      ...LINK_LOST_LINES,
      { pattern: /^(usb-storage|scsi|sd) /, reason: "they speak of each disk" },
      {
        pattern: /^(device offline error, dev sd|Buffer I\/O error on dev sd|Dev sd\w+: unable to read)/,
        reason: "a disk may be taken from its driver while that looks for partitions, a second after it came",
      },
      { pattern: /^(ftdi_sio|usb_serial_generic) /, reason: "they speak of each port that goes" },
      {
        pattern: /^usb \S+: (unable to|can't|device descriptor read)/,
        reason: "the board is pulled at any moment",
      },
    ],
    async run(guest) {
      await guest.loadModule("ftdi_sio", "usb-storage", "sd_mod");
      const { device, wire } = await serialAdapter(guest);
      wire.on("data", (bytes: Buffer) => wire.write(bytes));
      const image = join(guest.folder, "bootloader");
      await writeFile(image, randomBytes(IMAGE_BYTES));
      const twin = (await serialAdapter(guest)).device;
      const application: Face = { device, twin, vid: "0403", pid: "6001" };
      const loader = await stick(guest, image);
      const bootloader: Face = { device: loader, twin: loader, vid: "46f4", pid: "0001" };

      const plugged = await plug(guest, application.device, SHARED);
      await guest.writeFile("/tmp/flash.yaml", `rules: ["auto-bind busid=${plugged.busid}"]\n`);
      const host = await GuestHost.start(guest, "--config", "/tmp/flash.yaml");
      const board: Board = {
        application,
        bootloader,
        busid: plugged.busid,
        straight: plugged.busid.replace(/1$/, "2"),
      };
      try {
        await flash(guest, board, host.address, plugged.pull, times);
      } finally {
        await outputOf(guest, "detach", "--all");
        await host.end("SIGTERM");
      }
    },
  };
}

async function flash(
  guest: Guest,
  { application, bootloader, busid, straight }: Board,
  address: string,
  pullFirst: () => Promise<void>,
  times: number,
): Promise<void> {
  const wish = ["--auto", "--also", nameOf(bootloader), "--json"];
  const printed = await outputOf(guest, "attach", address, nameOf(application), ...wish);
  const { port, sysfsName } = JSON.parse(printed) as AttachedDevice;
  let pull = pullFirst;
  const hostMs: number[] = [];
  const sharedMs: number[] = [];
  const straightMs: number[] = [];
  for (let time = 0; time < times; time++)
    for (const face of [bootloader, application]) {
      await pull();
      // No board is back before its host has noticed that it left.
      await guest.waitFor(
        "the board to be gone",
        `! test -e /sys/bus/usb/devices/${busid} && ! test -e /sys/bus/usb/devices/${sysfsName}`,
      );
      const shared = await seen(guest, face, face.device, SHARED, [busid, sysfsName]);
      ({ pull } = shared);
      hostMs.push(shared.tookMs[0]!);
      sharedMs.push(shared.tookMs[1]!);
      await untilUsable(guest, face, sysfsName);
      const other = await seen(guest, face, face.twin, STRAIGHT, [straight]);
      straightMs.push(other.tookMs[0]!);
      await other.pull();
      await guest.waitFor("it to be gone", `! test -e /sys/bus/usb/devices/${straight}`);
    }
  const [left] = (await portsByCall(guest)).ports;
  assert.deepEqual([left?.port, left?.sysfsName], [port, sysfsName], "the port of the virtual hub");
  const differences = sharedMs.map((ms, i) => ms - straightMs[i]!);
  console.log(
    `until the kernel has it: shared ${median(sharedMs)} ms (its host ${median(hostMs)} ms), straight ${median(straightMs)} ms, ` +
      `difference ${median(differences)} ms (medians of ${differences.length})`,
  );
}

function nameOf({ vid, pid }: Face): string {
  return `${vid}:${pid}`;
}

/** Plugs it in; how long after QEMU's reply the kernel has found a device of that kind at each of the places. */
async function seen(
  guest: Guest,
  { vid, pid }: Face,
  device: EmulatedDevice,
  place: Place,
  sysfsNames: readonly string[],
): Promise<{ readonly tookMs: readonly number[]; readonly pull: () => Promise<void> }> {
  const found = sysfsNames.map((name) =>
    guest.logged(new RegExp(`^usb ${name}: New USB device found, idVendor=${vid}, idProduct=${pid}`), 60_000),
  );
  const [{ pull, pluggedMs }, ...lines] = await Promise.all([
    insert(guest, device, place).then((pulling) => ({ pull: pulling, pluggedMs: performance.now() })),
    ...found,
  ]);
  return { tookMs: lines.map(({ atMs }) => atMs - pluggedMs), pull };
}

/** Its driver has it, and what it has to say arrives. */
async function untilUsable(guest: Guest, { vid }: Face, sysfsName: string): Promise<void> {
  const folder = `/sys/bus/usb/devices/${sysfsName}/${sysfsName}:1.0`;
  if (vid === "46f4") {
    const block = `${folder}/host*/target*/*/block/sd*`;
    await guest.waitFor(
      "the bootloader's disk",
      `test "$(cat ${block}/size)" -gt 0 && test -b /dev/$(basename ${block})`,
    );
    await guest.shell(
      `dd if=/dev/$(basename ${block}) of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null`,
    );
    return;
  }
  await guest.waitFor("the application's port", `test -c /dev/$(basename ${folder}/ttyUSB*)`);
  const port = `/dev/${(await guest.shell(`basename ${folder}/ttyUSB*`)).trim()}`;
  await guest.shell(`stty -F ${port} raw -echo`);
  assert.equal(await guest.call("test/vm/guest/serial.js", "exchange", [port, 100]), -1);
}

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[values.length >> 1]!);
}
