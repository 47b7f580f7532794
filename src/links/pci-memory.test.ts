import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { LinkError } from "./link-error.ts";
import { mapPciMemory } from "./pci-memory.ts";
import { WholeFile } from "./whole-file.ts";

const MIB = 1 << 20;
const root = mkdtempSync(join(tmpdir(), "usbferry-pci-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;

/** A tree as the kernel shows it, whose BARs are files. */
function machine(devices: Readonly<Record<string, Readonly<Record<string, string | number>>>>): string {
  count++;
  const sysfs = join(root, String(count));
  for (const [device, files] of Object.entries(devices)) {
    const place = `${sysfs}/bus/pci/devices/${device}`;
    mkdirSync(place, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(`${place}/${name}`, typeof content === "string" ? content : "");
      if (typeof content === "number") truncateSync(`${place}/${name}`, content);
    }
  }
  return sysfs;
}

const IVSHMEM = { vendor: "0x1af4\n", device: "0x1110\n", enable: "1\n" };
const NETWORK = { vendor: "0x1af4\n", device: "0x1000\n", enable: "1\n", resource2: 4 * MIB };

function mapped(device: string, sysfs: string): WholeFile {
  const file = mapPciMemory({ kind: "ring-pci", device }, sysfs);
  assert(file instanceof WholeFile);
  return file;
}

function refused(device: string, sysfs: string): LinkError {
  const error = mapPciMemory({ kind: "ring-pci", device }, sysfs);
  assert(error instanceof LinkError);
  return error;
}

const PLACE = "0000:00:05.0";

test("the write-combining BAR is mapped, and what is written is in it", onLinux, () => {
  const sysfs = machine({ [PLACE]: { ...IVSHMEM, resource2: 4 * MIB, resource2_wc: 4 * MIB } });
  const file = mapped("00:05.0", sysfs);
  const { memory } = file;
  assert.equal(memory.bytes.length, 4 * MIB);
  memory.bytes[4 * MIB - 1] = 77;
  assert.equal(readFileSync(`${sysfs}/bus/pci/devices/${PLACE}/resource2_wc`)[4 * MIB - 1], 77);
  assert.equal(readFileSync(`${sysfs}/bus/pci/devices/${PLACE}/resource2`)[4 * MIB - 1], 0);
  file.release();
});

test("a BAR that cannot be combined is mapped as it is, and a device that sleeps is enabled", onLinux, () => {
  const sysfs = machine({ [PLACE]: { ...IVSHMEM, enable: "0\n", resource2: 4 * MIB } });
  mapped(PLACE, sysfs).release();
  assert.equal(readFileSync(`${sysfs}/bus/pci/devices/${PLACE}/enable`, "latin1"), "1");
});

test("another device, or none, is refused with those that would do", onLinux, () => {
  const sysfs = machine({
    "0000:00:03.0": NETWORK,
    "0000:00:06.0": { ...IVSHMEM, resource2: 4 * MIB },
  });
  for (const device of ["00:03.0", "00:04.0"]) {
    const error = refused(device, sysfs);
    assert.equal(error.code, "ENODEV");
    assert.match(error.message, /^cannot reach ring:pci:00:0[34]\.0: .* Use ring:pci:0000:00:06\.0\.$/);
  }
  assert.match(
    refused("00:03.0", sysfs).message,
    /the device there is 1af4:1000, and shared memory is 1af4:1110/,
  );
  assert.match(refused("00:04.0", sysfs).message, /there is no PCI device at this place/);
  assert.match(refused("00:03.0", machine({ "0000:00:03.0": NETWORK })).message, /-device ivshmem-plain/);
  assert.match(refused("00:03.0", join(root, "nothing")).message, /-device ivshmem-plain/);
});

test("memory of a size that no BAR has is refused", onLinux, () => {
  for (const size of [0, 1 * MIB, 6 * MIB, 512 * MIB]) {
    const error = refused(PLACE, machine({ [PLACE]: { ...IVSHMEM, resource2: size } }));
    assert.equal(error.code, "BAD_MEMORY");
    assert.match(error.message, new RegExp(`${size} bytes`));
  }
});

test("a device without the BAR is an error with its name", onLinux, () => {
  assert.equal(refused(PLACE, machine({ [PLACE]: IVSHMEM })).code, "ENOENT");
});

test("memory that a process has is no other's", onLinux, () => {
  const sysfs = machine({ [PLACE]: { ...IVSHMEM, resource2: 4 * MIB } });
  const file = mapped(PLACE, sysfs);
  const error = refused(PLACE, sysfs);
  assert.equal(error.code, "EBUSY");
  assert.match(error.message, /another process has its memory .* `usbferry ports`/);
  file.release();
  mapped(PLACE, sysfs).release();
});
