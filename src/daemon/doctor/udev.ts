import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import { ProcessTable } from "./process-table.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";
import type { SystemRoot } from "./system-root.ts";

const SOCKET = "/run/udev/control";
const DAEMONS: ReadonlySet<string> = new Set(["systemd-udevd", "udevd", "eudev", "mdevd"]);
const PROGRAMS = [
  "lib/systemd/systemd-udevd",
  "usr/lib/systemd/systemd-udevd",
  "sbin/udevd",
  "usr/sbin/udevd",
];

/** Whether somebody gives device nodes their owners and names. */
export class Udev implements Check {
  readonly name = "udev";
  readonly #root: SystemRoot;
  readonly #uid: number;

  constructor(root: SystemRoot, uid: number) {
    this.#root = root;
    this.#uid = uid;
  }

  run(): readonly Finding[] {
    if (this.#isRunning())
      return [ok("UDEV_RUNNING", "udev runs and gives device nodes their owners and names.")];
    const system = surroundings(this.#root);
    const trouble = {
      what: "udev does not run here.",
      why: "Nodes of attached devices belong to root, links such as /dev/serial/by-id are missing, and no driver module is loaded by itself.",
      next: this.#next(system),
    };
    // Root can do without.
    return [this.#uid === 0 ? note("UDEV_NOT_RUNNING", trouble) : problem("UDEV_NOT_RUNNING", trouble)];
  }

  #isRunning(): boolean {
    const programs = new ProcessTable(this.#root).programs;
    if (Array.from(programs).some((program) => DAEMONS.has(program))) return true;
    if (!this.#root.exists(SOCKET)) return false;
    // A socket may be left of one that was killed; in a container it is the machine's, which is not listed here.
    const listed = this.#root.text("proc/net/unix")?.includes(` ${SOCKET}`) ?? true;
    return listed || surroundings(this.#root).isContainer;
  }

  #next(system: Surroundings): readonly string[] {
    if (system.isContainer) {
      return [
        "Run udev on the machine itself, or set owner and mode of the node by hand: chmod a+rw /dev/bus/usb/BBB/DDD",
      ];
    }
    if (system.isWsl2) {
      return [
        "Write [boot] and systemd=true into /etc/wsl.conf, then in Windows: wsl --shutdown",
        "Or for this session: sudo service udev start",
      ];
    }
    return PROGRAMS.some((path) => this.#root.exists(path))
      ? [
          "sudo systemctl start systemd-udevd (without systemd: sudo service udev start)",
          "sudo udevadm trigger",
        ]
      : ["Install it: sudo apt install udev (or your distribution's eudev), then start it."];
  }
}
