import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Kernel } from "./kernel.ts";
import type { SystemRoot } from "./system-root.ts";
import { named, usbDevices } from "./usb-tree.ts";

/** Whether real devices can be reached at all. */
export class Usbfs implements Check {
  readonly name = "devices";
  readonly #root: SystemRoot;
  readonly #kernel: Kernel;

  constructor(root: SystemRoot, kernel: Kernel) {
    this.#root = root;
    this.#kernel = kernel;
  }

  run(): readonly Finding[] {
    if (this.#root.names("sys/bus/usb").length === 0) return [this.#noUsb()];
    if (this.#root.names("dev/bus/usb").length === 0) return [this.#noNodes()];
    const own = usbDevices(this.#root).filter(({ isAttached }) => !isAttached);
    const words = own.length === 0 ? "none is plugged in" : own.map(named).join(", ");
    return [ok("USBFS_THERE", `Devices of this machine can be reached: ${words}.`)];
  }

  #noUsb(): Finding {
    const { release } = this.#kernel;
    const option = this.#kernel.option("USB");
    const isAbsent = option === "n";
    return problem("NO_USB", {
      what: "This machine has no USB that Linux knows of.",
      why: isAbsent
        ? `Linux ${release} was built without it: ${this.#kernel.configPath} has no CONFIG_USB. Simulated devices (gadgets) can be shared all the same.`
        : "No driver of a USB controller is loaded: a virtual machine without one, or a small kernel. Simulated devices (gadgets) can be shared all the same.",
      next: isAbsent
        ? ["Boot a kernel with USB; kernels for clouds have none."]
        : ["Give the virtual machine a USB controller, and load its driver:", "sudo modprobe xhci_pci"],
    });
  }

  #noNodes(): Finding {
    const { isContainer } = this.#kernel.surroundings;
    return problem("USBFS_MISSING", {
      what: "/dev/bus/usb is not there, so no device can be opened.",
      why: isContainer
        ? "A container has its own /dev, with the nodes that it was given."
        : "The kernel makes the nodes in devtmpfs, which is not mounted at /dev.",
      next: isContainer
        ? [
            "Start it with the devices: docker run -v /dev/bus/usb:/dev/bus/usb --device-cgroup-rule 'c 189:* rmw' ...",
          ]
        : ["sudo mount -t devtmpfs dev /dev"],
    });
  }
}
