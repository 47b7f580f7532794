import { readFile, rm, writeFile } from "node:fs/promises";
import { filter } from "./program.ts";

/** Command lines of the two programs that open what the Debian kernels are packed with. */
export interface Decompressors {
  readonly xz: readonly string[];
  readonly zstd: readonly string[];
}

/** The packed kernel inside a bzImage (linux: Documentation/arch/x86/boot.rst, protocol 2.08). */
export function bzImagePayload(image: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < 0x250 || view.getUint32(0x202, true) !== 0x53726448 /* "HdrS" */)
    throw new Error("This kernel image is not a bzImage: the boot protocol's signature is missing.");
  const setupSectors = view.getUint8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  return image.subarray(start, start + view.getUint32(0x24c, true));
}

/**
 * Unpacks a bzImage to the ELF file inside: QEMU starts that directly, which under emulation saves seconds against
 * letting the guest decompress itself.
 */
export async function unpackKernel(image: string, vmlinux: string, programs: Decompressors): Promise<void> {
  const payload = bzImagePayload(await readFile(image));
  const packed = `${vmlinux}.packed`;
  // The build appends the unpacked size in four bytes, which neither program knows.
  await writeFile(packed, payload.subarray(0, -4));
  const magic = Buffer.from(payload.subarray(0, 6)).toString("hex");
  if (magic === "fd377a585a00") await filter([...programs.xz, "-dc"], packed, vmlinux);
  else if (magic.startsWith("28b52ffd")) await filter([...programs.zstd, "-dcq"], packed, vmlinux);
  else throw new Error(`The kernel in ${image} is packed with neither xz nor zstd (it starts ${magic}).`);
  await rm(packed);
}
