import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import { type Holder, ProcessTable } from "./process-table.ts";
import type { SystemRoot } from "./system-root.ts";
import { named, type TreeDevice, usbDevices } from "./usb-tree.ts";

/** The driver of the kernel's own USB/IP host, and that of devices which a program has claimed. */
const USBIP_HOST = "usbip-host";
const USBFS = "usbfs";

/** How deep below a device its nodes are: interface, host, target, unit, block, disk, partition. */
const DEPTH = 9;

/** Programs that take devices by themselves, and how to keep them off. */
const KNOWN_PROGRAMS: readonly (readonly [program: RegExp, next: string])[] = [
  [/^ModemManager/, "It tries every serial port for a modem: sudo systemctl stop ModemManager"],
  [/^(gvfs|udisks)/, "It mounts sticks, cameras and telephones: eject the device in the file manager."],
  [/^fwupd/, "It looks for firmware to update: sudo systemctl stop fwupd"],
  [/^brltty/, "It takes serial adapters for Braille displays: sudo apt remove brltty"],
  [/^pcscd/, "It serves smart-card readers: sudo systemctl stop pcscd.socket pcscd"],
  [/^adb/, "adb kill-server"],
  [/^(qemu|VBox|vmware)/, "A virtual machine has it: detach it there."],
  [/^(pipewire|wireplumber|pulseaudio)/, "The sound server has it: choose another device in its settings."],
];

/** Who has the devices of this machine: drivers of the kernel, programs, file systems. */
export class DeviceHolders implements Check {
  readonly name = "holders of devices";
  readonly #root: SystemRoot;
  readonly #ownPid: () => Promise<number | undefined>;
  readonly #uid: number;

  /** `ownPid` tells the usbferry host of this machine, which may have what it shares. */
  constructor(root: SystemRoot, uid: number, ownPid: () => Promise<number | undefined>) {
    this.#root = root;
    this.#uid = uid;
    this.#ownPid = ownPid;
  }

  async run(): Promise<readonly Finding[]> {
    const devices = usbDevices(this.#root).filter(({ isAttached }) => !isAttached);
    if (devices.length === 0) return [];
    const own = await this.#ownPid();
    const holders = new ProcessTable(this.#root).holders().filter(({ pid }) => pid !== own);
    const findings = devices.flatMap((device) => this.#lookAt(device, holders, own));
    const drivers = withDrivers(devices);
    if (drivers.length > 0) findings.push(hasDrivers(drivers));
    if (findings.length > 0) return findings;
    const limit = this.#uid === 0 ? "" : " (programs of other users are only seen by root)";
    return [ok("DEVICES_FREE", `Nobody uses the devices of this machine${limit}.`)];
  }

  #lookAt(device: TreeDevice, holders: readonly Holder[], own: number | undefined): readonly Finding[] {
    if (device.interfaces.some(({ driver }) => driver === USBIP_HOST) || this.#isExported(device)) {
      return [ofUsbipHost(device)];
    }
    const findings: Finding[] = [];
    const numbers = this.#nodesBelow(device.folder, DEPTH);
    const users = holders.filter(
      ({ path, device: number }) => path === device.node || (number !== undefined && numbers.has(number)),
    );
    const claimed = device.interfaces.filter(({ driver }) => driver === USBFS).map(({ number }) => number);
    const claimers = users.filter(({ path }) => path === device.node);
    // What nobody seems to have is claimed by our own host, or by a program that this user cannot see.
    if (claimed.length > 0 && (claimers.length > 0 || own === undefined)) {
      findings.push(isClaimed(device, claimed, claimers));
    } else if (users.length > 0) findings.push(isOpen(device, users));
    const mounts = this.#mounts(numbers);
    if (mounts.length > 0) findings.push(isMounted(device, mounts));
    return findings;
  }

  /** usbip-host takes the whole device, whose `driver` it is. */
  #isExported({ folder }: TreeDevice): boolean {
    return this.#root.link(`${folder}/driver`)?.endsWith(`/${USBIP_HOST}`) === true;
  }

  /** Numbers of the device's own node and of those that its drivers made: ttyUSB0, sda, hidraw3. */
  #nodesBelow(folder: string, depth: number): ReadonlySet<string> {
    const numbers = new Set<string>();
    const visit = (path: string, left: number): void => {
      const number = this.#root.text(`${path}/dev`);
      if (number !== undefined) numbers.add(number);
      if (left === 0) return;
      for (const name of this.#root.folders(path)) visit(`${path}/${name}`, left - 1);
    };
    visit(folder, depth);
    return numbers;
  }

  /** Where the file systems of these block devices are mounted. */
  #mounts(numbers: ReadonlySet<string>): readonly string[] {
    return (this.#root.text("proc/self/mountinfo") ?? "").split("\n").flatMap((line) => {
      const [, , number = "", , place = ""] = line.split(" ");
      return numbers.has(number) ? [place.replaceAll("\\040", " ")] : [];
    });
  }
}

interface Used {
  readonly device: TreeDevice;
  readonly words: string;
}

function withDrivers(devices: readonly TreeDevice[]): readonly Used[] {
  return devices.flatMap((device) => {
    const words = device.interfaces
      .filter(({ driver }) => driver !== undefined && driver !== USBFS && driver !== USBIP_HOST)
      .map(({ number, driver }) => `${driver} (interface ${number})`)
      .join(", ");
    return words === "" ? [] : [{ device, words }];
  });
}

function hasDrivers(used: readonly Used[]): Finding {
  return note("DEVICE_HAS_DRIVER", {
    what: `Drivers of this kernel use ${used.map(({ device, words }) => `${named(device)}: ${words}`).join("; ")}.`,
    why: "A device is taken from its drivers while it is shared, and given back afterwards. What a program is doing with it then breaks off.",
    next: ["Nothing, unless you need the device here."],
  });
}

function ofUsbipHost(device: TreeDevice): Finding {
  return problem("DEVICE_OF_USBIP_HOST", {
    what: `${named(device)} belongs to the kernel's own USB/IP host (usbip-host).`,
    why: "Somebody has bound it with the stock tool: only usbipd can share it.",
    next: [`sudo usbip unbind -b ${device.name}`],
  });
}

function isClaimed(device: TreeDevice, interfaces: readonly number[], holders: readonly Holder[]): Finding {
  const who = holders.length === 0 ? "a program that this user cannot see" : programsOf(holders);
  return problem("DEVICE_CLAIMED", {
    what: `${named(device)} is claimed by ${who}: interface ${interfaces.join(", ")}.`,
    why: "A program has the device through usbfs. It cannot be shared before it is let go.",
    next: adviceFor(holders, device),
  });
}

function isOpen(device: TreeDevice, holders: readonly Holder[]): Finding {
  return note("DEVICE_OPEN", {
    what: `${named(device)} is open: ${programsOf(holders)}.`,
    why: "The program loses the device when it is shared, and may take it back when it returns.",
    next: adviceFor(holders, device),
  });
}

function isMounted(device: TreeDevice, places: readonly string[]): Finding {
  return note("DEVICE_MOUNTED", {
    what: `A file system of ${named(device)} is mounted at ${places.join(", ")}.`,
    why: "What was written and is not on the device yet is lost when it is shared.",
    next: places.map((place) => `sudo umount "${place}"`),
  });
}

/** `ModemManager (512) has /dev/ttyUSB0` */
function programsOf(holders: readonly Holder[]): string {
  const words = holders.map(({ program, pid, path }) => `${program} (${pid}) has ${path}`);
  return Array.from(new Set(words)).join(", ");
}

function adviceFor(holders: readonly Holder[], device: TreeDevice): readonly string[] {
  const advice = new Set<string>();
  for (const { program, pid } of holders) {
    const known = KNOWN_PROGRAMS.find(([pattern]) => pattern.test(program));
    advice.add(known?.[1] ?? `End it, if you can do without: kill ${pid}`);
  }
  if (advice.size === 0) advice.add(`See who has it: sudo fuser -v ${device.node}`);
  return Array.from(advice);
}
