import type { Check } from "./check.ts";
import { type Finding, note, ok } from "./finding.ts";
import type { SystemRoot } from "./system-root.ts";

const PARAMETER = "sys/module/usbcore/parameters/usbfs_memory_mb";
/** A camera needs tens of MiB in flight; 16 is what the kernel starts with. */
const ENOUGH_MIB = 64;
const ADVISED_MIB = 256;

/** How much memory all transfers of all devices that are shared may have in the kernel. */
export class UsbfsMemory implements Check {
  readonly name = "memory for transfers";
  readonly #root: SystemRoot;

  constructor(root: SystemRoot) {
    this.#root = root;
  }

  run(): readonly Finding[] {
    const text = this.#root.text(PARAMETER);
    if (text === undefined) return [];
    const mib = Number(text);
    if (mib === 0 || mib >= ENOUGH_MIB) {
      const words = mib === 0 ? "no limit" : `${mib} MiB`;
      return [
        ok("USBFS_MEMORY_LARGE", `Transfers of real devices have ${words} of memory (usbfs_memory_mb).`),
      ];
    }
    return [
      note("USBFS_MEMORY_SMALL", {
        what: `All transfers of real devices together have ${mib} MiB of memory in the kernel (usbfs_memory_mb).`,
        why: "It is enough for most devices. Cameras, and several fast devices at once, need more: their transfers fail for lack of memory.",
        next: [
          `echo ${ADVISED_MIB} | sudo tee /${PARAMETER}`,
          `At every boot: usbcore.usbfs_memory_mb=${ADVISED_MIB} on the command line of the kernel.`,
        ],
      }),
    ];
  }
}
