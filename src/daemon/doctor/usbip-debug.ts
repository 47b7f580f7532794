import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Kernel } from "./kernel.ts";
import type { SystemRoot } from "./system-root.ts";

/** Which messages are wanted; all of them from the start where the kernel has CONFIG_USBIP_DEBUG. */
const FLAG = "sys/module/usbip_core/parameters/usbip_debug_flag";
const CONTROLS = ["proc/dynamic_debug/control", "sys/kernel/debug/dynamic_debug/control"];
const MODULES = ["usbip_core", "vhci_hcd", "usbip_host"];

/**
 * Whether the kernel writes lines into its log for every request: some users' transfers took 1,000 times as long. It does
 * where they are wanted (the flag of usbip_core) and printed (built in, or by dynamic debug).
 */
export class UsbipDebug implements Check {
  readonly name = "debug messages";
  readonly #root: SystemRoot;
  readonly #kernel: Kernel;

  constructor(root: SystemRoot, kernel: Kernel) {
    this.#root = root;
    this.#kernel = kernel;
  }

  run(): readonly Finding[] {
    const isBuilt = this.#kernel.option("USBIP_DEBUG") === "y";
    const printing = this.#printingModules();
    const flag = this.#root.text(FLAG);
    // A kernel that has the messages built in wants all of them as soon as the module is loaded.
    const areWanted = flag === undefined ? isBuilt : Number(flag) !== 0;
    const arePrinted = flag === undefined || printing === undefined ? isBuilt : printing.length > 0;
    if (areWanted && arePrinted) return [this.#on(isBuilt, printing ?? [])];
    const words = isBuilt ? "built into this kernel (CONFIG_USBIP_DEBUG=y), and switched off" : "off";
    return [ok("USBIP_DEBUG_OFF", `The kernel's debug messages of USB/IP are ${words}.`)];
  }

  #on(isBuilt: boolean, printing: readonly string[]): Finding {
    const silence = printing.map((module) => `module ${module} -p`).join("; ");
    return problem("USBIP_DEBUG_ON", {
      what: "The kernel writes debug messages of USB/IP into its log.",
      why:
        `${isBuilt ? "It was built with CONFIG_USBIP_DEBUG=y" : `Dynamic debug is on for ${printing.join(", ")}`}: lines for ` +
        "every request. Users have seen 56 KB/s in place of 56 MB/s.",
      next: [
        ...(printing.length > 0 ? [`echo '${silence}' | sudo tee /proc/dynamic_debug/control`] : []),
        ...(this.#root.exists(FLAG) ? [`echo 0 | sudo tee /${FLAG}`] : []),
        ...(isBuilt ? ["For good: a kernel without CONFIG_USBIP_DEBUG (on WSL2: wsl --update)."] : []),
      ],
    });
  }

  /** Modules with a message that is switched on; nothing where this kernel has no dynamic debug, or does not tell. */
  #printingModules(): readonly string[] | undefined {
    const control = CONTROLS.map((path) => this.#root.text(path)).find(
      (text) => text !== undefined && text !== "",
    );
    if (control === undefined) return undefined;
    return MODULES.filter((module) => new RegExp(`\\[${module}\\]\\S* =[a-z]*p`).test(control));
  }
}
