import { UDEV_RULES, udevRule } from "../hardware/udev-rule.ts";
import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { SystemRoot } from "./system-root.ts";
import { named, type TreeDevice, usbDevices } from "./usb-tree.ts";

/** Of Debian and its kin, for people at the machine. */
const USUAL_GROUP = "plugdev";

/** Who looks. */
export interface Person {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** Whether this user may open the devices of this machine. */
export class NodePermission implements Check {
  readonly name = "permission for devices";
  readonly #root: SystemRoot;
  readonly #person: Person;

  constructor(root: SystemRoot, person: Person) {
    this.#root = root;
    this.#person = person;
  }

  run(): readonly Finding[] {
    const devices = usbDevices(this.#root).filter(
      ({ isAttached, node }) => !isAttached && this.#root.exists(node),
    );
    const closed = devices.flatMap((device) => {
      const code = this.#root.whyNotWritable(device.node);
      return code === undefined ? [] : [{ device, code }];
    });
    if (closed.length > 0) return [this.#closed(closed)];
    return devices.length === 0
      ? []
      : [ok("NODES_PERMITTED", "This user may open every device of this machine.")];
  }

  #closed(closed: readonly { readonly device: TreeDevice; readonly code: string }[]): Finding {
    const group = this.#group();
    const rules = closed.map(({ device: { vid, pid } }) => udevRule(vid, pid, group.name));
    const list = closed.map(({ device, code }) => `${named(device)} at ${device.node} (${code})`).join(", ");
    return problem("NODE_NO_PERMISSION", {
      what: `This user may not open ${list}.`,
      why: "Nodes of devices belong to root unless a rule of udev says otherwise.",
      next: [
        `Write into ${UDEV_RULES}, a line for each device that is to be shared:`,
        ...Array.from(new Set(rules)),
        "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb",
        ...(group.isMember ? [] : [`sudo usermod -aG ${group.name} $USER, then log in again`]),
        "Or share devices as root: sudo usbferry serve",
      ],
    });
  }

  /** A group that may have the node: the usual one where there is one, else this user's own. */
  #group(): { readonly name: string; readonly isMember: boolean } {
    const lines = (this.#root.text("etc/group") ?? "").split("\n").map((line) => line.split(":"));
    const usual = lines.find(([name]) => name === USUAL_GROUP);
    if (usual !== undefined) {
      const gid = Number(usual[2]);
      return { name: USUAL_GROUP, isMember: gid === this.#person.gid || this.#person.groups.includes(gid) };
    }
    const own = lines.find(([, , gid]) => Number(gid) === this.#person.gid);
    return { name: own?.[0] ?? String(this.#person.gid), isMember: true };
  }
}
