import assert from "node:assert/strict";
import { test } from "node:test";
import { loadOrder, moduleName, parseModuleInfo } from "./kernel-modules.ts";

/** An ELF object with the two sections .shstrtab and .modinfo. */
function elfObject(modinfo: string): Uint8Array {
  const names = "\0.shstrtab\0.modinfo\0";
  const bytes = Buffer.alloc(64 + 2 * 64 + names.length + modinfo.length);
  bytes.write("\x7fELF", "latin1");
  bytes.writeBigUInt64LE(64n, 0x28); // e_shoff
  bytes.writeUInt16LE(64, 0x3a); // e_shentsize
  bytes.writeUInt16LE(2, 0x3c); // e_shnum
  bytes.writeUInt16LE(0, 0x3e); // e_shstrndx
  const section = (index: number, name: number, offset: number, size: number): void => {
    bytes.writeUInt32LE(name, 64 + index * 64);
    bytes.writeBigUInt64LE(BigInt(offset), 64 + index * 64 + 0x18);
    bytes.writeBigUInt64LE(BigInt(size), 64 + index * 64 + 0x20);
  };
  section(0, 1, 192, names.length);
  section(1, 11, 192 + names.length, modinfo.length);
  bytes.write(names, 192, "latin1");
  bytes.write(modinfo, 192 + names.length, "latin1");
  return bytes;
}

test("reads dependencies and aliases, in the kernel's spelling", () => {
  const info = parseModuleInfo(
    elfObject(
      "license=GPL\0alias=usb:v*p*\0alias=platform:vhci_hcd\0depends=usbcore,usbip-core\0name=vhci_hcd\0",
    ),
  );
  assert.deepEqual(info, { depends: ["usbcore", "usbip_core"], aliases: ["usb:v*p*", "platform:vhci_hcd"] });
});

test("an empty list of dependencies is no dependency", () => {
  assert.deepEqual(parseModuleInfo(elfObject("depends=\0name=usb_common\0")).depends, []);
});

test("refuses what is not an object file", () => {
  assert.throws(() => parseModuleInfo(Buffer.alloc(100)), /not an ELF file/);
});

test("orders what a module needs before itself, once each", () => {
  const depends: Record<string, readonly string[]> = {
    uas: ["usb_storage", "usbcore"],
    usb_storage: ["scsi", "usbcore"],
  };
  assert.deepEqual(
    loadOrder("uas", (name) => depends[name] ?? []),
    ["scsi", "usbcore", "usb_storage"],
  );
});

test("a module's name has neither folder, suffix nor hyphen", () => {
  assert.equal(moduleName("kernel/drivers/usb/storage/usb-storage.ko.xz"), "usb_storage");
});
