import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Kernel } from "./kernel.ts";
import { isCloudKernel, type Surroundings } from "./surroundings.ts";
import type { SystemRoot } from "./system-root.ts";

/** Folder of the first controller, without the root: only it has the files. */
export const VHCI_FOLDER = "sys/devices/platform/vhci_hcd.0";

const OPTIONS = ["USBIP_CORE", "USBIP_VHCI_HCD"] as const;

/** Microsoft's first kernel with vhci_hcd, and the first that has it as a module. */
const WSL_FIRST = [5, 10, 60];
const WSL_MODULAR = [6, 6, 36];

/** Whether this kernel can be given devices at all. */
export class VhciModule implements Check {
  readonly name = "kernel module";
  readonly #root: SystemRoot;
  readonly #kernel: Kernel;

  constructor(root: SystemRoot, kernel: Kernel) {
    this.#root = root;
    this.#kernel = kernel;
  }

  run(): readonly Finding[] {
    return [this.#look()];
  }

  #look(): Finding {
    const { release } = this.#kernel;
    if (this.#root.exists(`${VHCI_FOLDER}/attach`)) {
      return ok("VHCI_LOADED", `vhci_hcd is there, in Linux ${release}.`);
    }
    const place = this.#kernel.modulePlace("vhci_hcd");
    const option = this.#kernel.option("USBIP_VHCI_HCD");
    if (place === "loaded" || place === "built in" || option === "y") return this.#hidden();
    if (place === "file") return this.#notLoaded();
    if (option === "n") return this.#notInKernel();
    if (!this.#kernel.hasModulesFolder) return this.#noModulesFolder();
    return this.#fileMissing(option === "m");
  }

  #notLoaded(): Finding {
    const { isContainer } = this.#kernel.surroundings;
    return problem("VHCI_NOT_LOADED", {
      what: "The kernel module vhci_hcd is not loaded.",
      why: `Linux ${this.#kernel.release} has it as a file, and nothing loads it by itself.`,
      next: [
        ...(isContainer ? ["On the machine itself, not in this container:"] : []),
        "sudo modprobe vhci-hcd",
        "To have it at every boot: echo vhci-hcd | sudo tee /etc/modules-load.d/usbferry.conf",
      ],
    });
  }

  #notInKernel(): Finding {
    const { configPath } = this.#kernel;
    const lines = OPTIONS.map((option) => this.#configLine(option)).join(", ");
    const cloud = isCloudKernel(this.#kernel.release) ? "; kernels for clouds leave USB out" : "";
    return problem("VHCI_NOT_IN_KERNEL", {
      what: `Linux ${this.#kernel.release} was built without vhci_hcd.`,
      why: `${configPath} says ${lines}${cloud}. Needed are CONFIG_USBIP_CORE and CONFIG_USBIP_VHCI_HCD, each =m or =y.`,
      next: wayToVhci(this.#kernel.surroundings),
    });
  }

  #fileMissing(isConfigured: boolean): Finding {
    const folder = `/${this.#kernel.modulesFolder}`;
    return problem("VHCI_FILE_MISSING", {
      what: `There is no vhci_hcd for Linux ${this.#kernel.release}.`,
      why: isConfigured
        ? `The kernel was built with CONFIG_USBIP_VHCI_HCD=m, but ${folder} does not have the module: it is in a package of its own, or was removed.`
        : `${folder} does not have the module, and the configuration of the kernel cannot be read. Needed are CONFIG_USBIP_CORE and CONFIG_USBIP_VHCI_HCD, each =m or =y.`,
      next: wayToVhci(this.#kernel.surroundings),
    });
  }

  #noModulesFolder(): Finding {
    const { release, isContainer } = this.#kernel.surroundings;
    return problem("MODULES_FOLDER_MISSING", {
      what: `There is no /lib/modules/${release}, so vhci_hcd cannot be loaded.`,
      why: isContainer
        ? "This is a container: the kernel and its modules belong to the machine that runs it."
        : "The kernel was updated or exchanged since the last boot, or it came without modules.",
      next: isContainer
        ? ["On the machine itself: sudo modprobe vhci-hcd"]
        : ["Boot the kernel that is installed: sudo reboot", ...wayToVhci(this.#kernel.surroundings)],
    });
  }

  #hidden(): Finding {
    const isSysfs = this.#root.exists("sys/devices");
    return problem("VHCI_HIDDEN", {
      what: `vhci_hcd is in the kernel, and /${VHCI_FOLDER} is not to be seen.`,
      why: isSysfs
        ? "Its virtual controller was taken away from its driver, or a container shows a part of /sys only."
        : "sysfs is not mounted at /sys.",
      next: isSysfs
        ? [
            "Load it anew: sudo rmmod vhci-hcd; sudo modprobe vhci-hcd",
            "In a container: run it on the machine itself.",
          ]
        : ["sudo mount -t sysfs sysfs /sys"],
    });
  }

  #configLine(option: string): string {
    const value = this.#kernel.option(option);
    return value === "n" ? `CONFIG_${option} is not set` : `CONFIG_${option}=${value}`;
  }
}

/** How a system comes to a kernel with vhci_hcd. */
export function wayToVhci(system: Surroundings): readonly string[] {
  const { release, distribution, architecture } = system;
  if (system.isContainer) {
    return [
      "A container has the kernel of the machine that runs it: install vhci_hcd there (usbferry doctor there says how).",
    ];
  }
  if (system.isWsl2) return wayOnWsl(release);
  if (distribution === "ubuntu") {
    return [
      "sudo apt install linux-modules-extra-$(uname -r) && sudo modprobe vhci-hcd",
      "Where there is no such package: sudo apt install linux-generic, and boot that kernel.",
    ];
  }
  if (distribution === "debian" || release.includes("-cloud-")) {
    const image = `linux-image-${architecture}`;
    return release.includes("-cloud-")
      ? [
          `Install the full kernel: sudo apt install ${image}`,
          `Boot it in place of the cloud kernel: sudo apt remove linux-image-cloud-${architecture} linux-image-${release} && sudo reboot`,
        ]
      : [`sudo apt install --reinstall ${image} && sudo reboot`];
  }
  return [
    "Look for a package of your distribution with more modules for this kernel, or for a full one in place of a small one.",
    "Or build a kernel with CONFIG_USBIP_CORE=m and CONFIG_USBIP_VHCI_HCD=m.",
  ];
}

function wayOnWsl(release: string): readonly string[] {
  const own =
    "A kernel of your own (kernel= in .wslconfig) needs CONFIG_USBIP_CORE and CONFIG_USBIP_VHCI_HCD, and its modules.";
  if (isOlder(release, WSL_FIRST)) {
    return [
      "In Windows: wsl --update, then wsl --shutdown. Microsoft's kernels have vhci_hcd from 5.10.60.1 on.",
      own,
    ];
  }
  const builtIn =
    "Microsoft's kernels have it built in from 5.10.60.1 on, and as a module from 6.6.36 on (WSL 2.3.11)";
  return isOlder(release, WSL_MODULAR)
    ? [`In Windows: wsl --update, then wsl --shutdown. ${builtIn}.`, own]
    : [
        `sudo modprobe vhci-hcd. ${builtIn}.`,
        "If the module is not found, in Windows: wsl --update, then wsl --shutdown.",
        own,
      ];
}

function isOlder(release: string, than: readonly number[]): boolean {
  const numbers = release.split(/[.-]/).map(Number);
  for (const [i, part] of than.entries()) {
    const number = numbers[i] ?? 0;
    if (number !== part) return number < part;
  }
  return false;
}
