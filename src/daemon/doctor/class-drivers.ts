import { CLASS_NAMES } from "../class-names.ts";
import type { Check } from "./check.ts";
import { type Finding, note, ok, problem, type Trouble } from "./finding.ts";
import type { Kernel } from "./kernel.ts";
import type { SystemRoot } from "./system-root.ts";
import { named, type TreeDevice, type TreeInterface, usbDevices } from "./usb-tree.ts";

interface ClassDriver {
  readonly module: string;
  readonly option: string;
}

/** What serves a class in Linux. Classes that are not here are served by programs. */
const CLASS_DRIVERS: ReadonlyMap<number, ClassDriver> = new Map([
  [0x01, { module: "snd_usb_audio", option: "SND_USB_AUDIO" }],
  [0x02, { module: "cdc_acm", option: "USB_ACM" }],
  [0x03, { module: "usbhid", option: "USB_HID" }],
  [0x07, { module: "usblp", option: "USB_PRINTER" }],
  [0x08, { module: "usb_storage", option: "USB_STORAGE" }],
  [0x0e, { module: "uvcvideo", option: "USB_VIDEO_CLASS" }],
  [0xe0, { module: "btusb", option: "BT_HCIBTUSB" }],
]);

/** Whether the devices that are attached here are used by drivers. */
export class ClassDrivers implements Check {
  readonly name = "class drivers";
  readonly #root: SystemRoot;
  readonly #kernel: Kernel;

  constructor(root: SystemRoot, kernel: Kernel) {
    this.#root = root;
    this.#kernel = kernel;
  }

  run(): readonly Finding[] {
    const devices = usbDevices(this.#root).filter(({ isAttached }) => isAttached);
    if (devices.length === 0)
      return [ok("NOTHING_ATTACHED", "Nothing is attached that a driver could be missing for.")];
    const findings = devices.flatMap((device) => this.#lookAt(device));
    if (findings.length > 0) return findings;
    return [ok("DRIVERS_BOUND", `All of ${devices.map(named).join(", ")} is used by drivers.`)];
  }

  /** What is wrong with one device, by its name in sysfs. */
  of(name: string): readonly Finding[] {
    return usbDevices(this.#root)
      .filter((device) => device.name === name)
      .flatMap((device) => this.#lookAt(device));
  }

  #lookAt(device: TreeDevice): readonly Finding[] {
    if (device.interfaces.length === 0) return [notConfigured(device)];
    const findings = device.interfaces
      .filter(({ driver }) => driver === undefined)
      .map((side) => this.#withoutDriver(device, side));
    // Several interfaces of one device often lack the same.
    return findings.filter(({ what }, i) => findings.findIndex((other) => other.what === what) === i);
  }

  #withoutDriver(device: TreeDevice, side: TreeInterface): Finding {
    const words = className(side.bInterfaceClass);
    const what = `${named(device)} is attached, and no driver uses its ${words} interface.`;
    const listed = this.#kernel.modulesFor(side.modalias);
    const usual = CLASS_DRIVERS.get(side.bInterfaceClass);
    // Several may say that they serve it, such as usb_storage and uas: the usual one comes first.
    const isUsual = usual !== undefined && (listed.length === 0 || listed.includes(usual.module));
    const candidates = isUsual ? [usual.module, ...listed] : listed;
    const loaded = candidates.find((module) => this.#kernel.isLoaded(module));
    if (loaded !== undefined) return problem("DRIVER_REFUSED", this.#refused(what, side, loaded));
    const file = candidates.find((module) => this.#kernel.modulePlace(module) === "file");
    if (file !== undefined) return problem("DRIVER_NOT_LOADED", notLoaded(what, file));
    if (candidates.length === 0) return note("PROGRAM_NEEDED", programNeeded(what, words));
    return problem("DRIVER_MISSING", this.#missing(what, candidates[0]!, usual));
  }

  #refused(what: string, side: TreeInterface, module: string): Trouble {
    const drivers = this.#root.names(`sys/module/${module}/drivers`);
    const driver = drivers.find((name) => name.startsWith("usb:")) ?? "usb:DRIVER";
    return {
      what,
      why: `The module ${module} is loaded and has not taken it: it gave up on the device, was unbound, or a program has taken its place.`,
      next: [
        "See why in the kernel's log: sudo dmesg | tail -n 30",
        `Try again: echo ${side.name} | sudo tee /sys/bus/usb/drivers/${driver.slice("usb:".length)}/bind`,
      ],
    };
  }

  #missing(what: string, module: string, usual: ClassDriver | undefined): Trouble {
    const option = usual?.module === module ? ` (CONFIG_${usual.option})` : "";
    const { isWsl2, isContainer, distribution, release } = this.#kernel.surroundings;
    const where = isContainer
      ? "On the machine that runs this container, install the kernel package with more modules."
      : isWsl2
        ? "In Windows: wsl --update. Where Microsoft's kernel lacks the driver, a kernel of your own is needed (kernel= in .wslconfig)."
        : distribution === "ubuntu"
          ? "sudo apt install linux-modules-extra-$(uname -r)"
          : "Install the full kernel package of the distribution, or build the module.";
    return {
      what,
      why: `The module that serves it, ${module}${option}, is not among those of Linux ${release}.`,
      next: [where, `sudo modprobe ${module}`],
    };
  }
}

function notLoaded(what: string, module: string): Trouble {
  return {
    what,
    why: `The module that serves it, ${module}, is installed and not loaded: udev loads modules, unless it does not run or a file of /etc/modprobe.d forbids it.`,
    next: [`sudo modprobe ${module}`],
  };
}

function programNeeded(what: string, words: string): Trouble {
  return {
    what,
    why: `Linux has no driver that takes every ${words} interface: the program that uses the device brings its own (libusb, pcscd, dfu-util).`,
    next: ["Start that program. Its user needs permission for the device node."],
  };
}

function notConfigured(device: TreeDevice): Finding {
  return problem("NOT_CONFIGURED", {
    what: `${named(device)} is attached, and has no interfaces.`,
    why: "The kernel has not chosen a configuration: the device has just arrived, answers wrongly, or is not authorized.",
    next: [
      "See why in the kernel's log: sudo dmesg | tail -n 30",
      "Detach and attach it again: usbferry ports tells its port.",
    ],
  });
}

function className(code: number): string {
  return CLASS_NAMES.get(code)?.toLowerCase() ?? `class ${code.toString(16).padStart(2, "0")}`;
}
