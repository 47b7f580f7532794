import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileStore } from "../../../src/daemon/backing/file-store.ts";
import { Disk } from "../../../src/gadgets/disk.ts";
import { Speed } from "../../../src/usb/speed.ts";
import {
  ATTACH_LINES,
  type AttachWay,
  attach,
  detachAll,
  LINK_LOST_LINES,
  STOCK_TOOL,
} from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import type { Guest } from "../guest.ts";
import type { ExpectedLine } from "../kernel-log.ts";
import type { Scenario } from "../scenario.ts";
import { ServeProcess } from "../serve-process.ts";
import { ServedHost } from "../served-host.ts";

const MIB = 1024 * 1024;
const EXT4_BLOCK = 4096;

/** Runs with an empty image in a folder that goes afterwards. */
async function withImage(bytes: number, run: (image: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "usbferry-disk-"));
  try {
    const image = join(folder, "image");
    await writeFile(image, "");
    await truncate(image, bytes);
    await run(image);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Makes an ext4 of the blocks that `missingBlocks` compares, and mounts it. */
async function format(guest: Guest, device: string): Promise<void> {
  await guest.shell(
    `mkfs.ext4 -q -b ${EXT4_BLOCK} ${device} && mkdir -p /tmp/disk && mount -t ext4 ${device} /tmp/disk`,
    { timeoutMs: 120_000 },
  );
}

/** Writes a file on an ext4 of its own, and reads it again from the disk. */
export async function writeOnExt4(guest: Guest, device: string, content: Buffer): Promise<void> {
  await writeFile(join(guest.scratch, "content"), content);
  await format(guest, device);
  await guest.shell(
    `cp /scratch/content /tmp/disk/content && sync && umount /tmp/disk &&
     echo 3 > /proc/sys/vm/drop_caches && mount -t ext4 ${device} /tmp/disk`,
    { timeoutMs: 120_000 },
  );
  assert.equal(await sha256(guest, "/tmp/disk/content"), digestOf(content));
  await guest.shell("umount /tmp/disk");
}

/** The digest of the file that `writeOnExt4` has written. */
export async function digestOnExt4(guest: Guest, device: string): Promise<string> {
  await guest.shell(`mount -t ext4 ${device} /tmp/disk`);
  const digest = await sha256(guest, "/tmp/disk/content");
  await guest.shell("umount /tmp/disk");
  return digest;
}

/** Kernel lines of a disk that is lost. */
export const DISK_LOST_LINES: readonly ExpectedLine[] = [
  {
    pattern:
      /I\/O error|Buffer I\/O|lost (async|sync) page write|device offline error|Dev sd\w+: unable to read/,
    reason: "the disk is gone in mid-write",
  },
  {
    pattern: /(sd|scsi) .*(rejecting I\/O|Synchronize Cache|tag#|Sense|CDB|FAILED|Cache flush)/,
    reason: "so says sd",
  },
];

export function digestOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

async function sha256(guest: Guest, path: string): Promise<string> {
  return (await guest.shell(`sha256sum ${path}`, { timeoutMs: 120_000 })).split(" ")[0]!;
}

/** How many blocks of the file are nowhere in the image. Random blocks cannot be mistaken for each other. */
function missingBlocks(image: Buffer, file: Buffer): number {
  const places = new Map<string, number>();
  for (let at = 0; at < image.length; at += EXT4_BLOCK) places.set(image.toString("hex", at, at + 16), at);
  let missing = 0;
  for (let at = 0; at < file.length; at += EXT4_BLOCK) {
    const place = places.get(file.toString("hex", at, at + 16)) ?? image.length;
    const block = file.subarray(at, at + EXT4_BLOCK);
    if (!block.equals(image.subarray(place, place + EXT4_BLOCK))) missing += 1;
  }
  return missing;
}

/** ext4 on an image file: what is written is read again by the guest, and is in the file. */
export function ext4(mebibytes: number, speed: "high" | "super", way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `ext4 on a ${speed}-speed disk: ${mebibytes} MiB written, synced and read again${way.words}`,
    timeoutMs: 120_000,
    expected: ATTACH_LINES,
    run: (guest) =>
      withImage(2 * mebibytes * MIB + 8 * MIB, async (image) => {
        const content = randomBytes(mebibytes * MIB);
        const store = await FileStore.open(image, false);
        const host = await ServedHost.start({
          disk: new Disk({ store, speed: Speed[speed], serial: "disk" }),
        });
        try {
          const [attachment] = await way.attach(guest, host.port, ["disk"]);
          const device = await blockDevice(guest, attachment!.sysfsName);
          assert.match(
            await guest.shell(`cat /sys/class/scsi_disk/*/cache_type`),
            /write back/,
            "the guest knows of the write cache",
          );
          await writeOnExt4(guest, device, content);
          await way.detachAll(guest);
        } finally {
          await host.stop();
          await store.close();
        }
        assert.equal(missingBlocks(await readFile(image), content), 0, "blocks that the image lacks");
      }),
  };
}

export const readOnlyDisk: Scenario = {
  name: "a write-protected disk cannot be written",
  expected: ATTACH_LINES,
  async run(guest) {
    const host = await ServedHost.start({ disk: "disk,size=8M,ro,serial=disk" });
    try {
      const [attachment] = await attach(guest, host.port, ["disk"]);
      const device = await blockDevice(guest, attachment!.sysfsName);
      assert.equal((await guest.shell(`blockdev --getro ${device}`)).trim(), "1");
      const { code } = await guest.run(["dd", "if=/dev/zero", `of=${device}`, "bs=4096", "count=1"]);
      assert.notEqual(code, 0);
      await detachAll(guest);
    } finally {
      await host.stop();
    }
  },
};

/** Writes file after file, each made durable before its digest is printed. */
const WRITE_FILES = `
i=0
while dd if=/dev/urandom of=/tmp/disk/$i bs=64k count=4 conv=fsync 2>/dev/null; do
  sha256sum /tmp/disk/$i
  i=$((i+1))
done
echo ended`;

export const hostKilledWhileWriting = (times: number, way: AttachWay = STOCK_TOOL): Scenario => ({
  name: `the host is killed while the guest writes, ${times} times: all that was synced is in the image${way.words}`,
  timeoutMs: 30_000 + times * 90_000,
  expected: [
    ...ATTACH_LINES,
    ...LINK_LOST_LINES,
    ...DISK_LOST_LINES,
    {
      pattern: /EXT4-fs|JBD2|Aborting journal|device offline/,
      reason: "a mounted file system lost its disk",
    },
  ],
  async run(guest) {
    for (let time = 0; time < times; time++) await killWhileWriting(guest, way);
  },
});

async function killWhileWriting(guest: Guest, way: AttachWay): Promise<void> {
  await withImage(64 * MIB, async (image) => {
    const gadget = `disk,file=${image},serial=disk`;
    const digests = new Map<string, string>();
    const first = await ServeProcess.start(gadget);
    try {
      const [attachment] = await way.attach(guest, first.port, ["disk"]);
      const device = await blockDevice(guest, attachment!.sysfsName);
      await format(guest, device);
      const writer = await guest.spawn(["sh", "-c", WRITE_FILES], (line) => {
        const [digest, path] = line.split(/\s+/);
        if (path !== undefined) digests.set(path, digest!);
      });
      await guest.waitFor("ten files", () => digests.size >= 10);
      await first.kill();
      await writer.exit;
      await guest.shell("umount /tmp/disk || umount -l /tmp/disk");
      await guest.waitFor("the disk to go", `! test -b ${device}`);
    } finally {
      await first.kill();
    }
    const second = await ServeProcess.start(gadget);
    try {
      const [attachment] = await way.attach(guest, second.port, ["disk"]);
      const device = await blockDevice(guest, attachment!.sysfsName);
      await guest.shell(`mount -t ext4 ${device} /tmp/disk`);
      for (const [path, digest] of digests) assert.equal(await sha256(guest, path), digest, path);
      await guest.shell("umount /tmp/disk");
      await way.detachAll(guest);
    } finally {
      await second.kill();
    }
  });
}
