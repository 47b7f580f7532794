import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { SystemRoot } from "./system-root.ts";
import { VHCI_FOLDER } from "./vhci-module.ts";

/** Whether this user may attach and detach. */
export class VhciPermission implements Check {
  readonly name = "permission to attach";
  readonly #root: SystemRoot;
  readonly #uid: number;

  constructor(root: SystemRoot, uid: number) {
    this.#root = root;
    this.#uid = uid;
  }

  run(): readonly Finding[] {
    if (!this.#root.exists(`${VHCI_FOLDER}/attach`)) return [];
    const refusals = ["attach", "detach"].map((name) => this.#root.whyNotWritable(`${VHCI_FOLDER}/${name}`));
    const refusal = refusals.find((code) => code !== undefined);
    switch (refusal) {
      case undefined:
        return [ok("VHCI_PERMITTED", "This user may attach and detach.")];
      case "EROFS":
        return [this.#readOnly()];
      default:
        return [this.#notPermitted(refusal)];
    }
  }

  #readOnly(): Finding {
    return problem("VHCI_READ_ONLY", {
      what: `/sys is read-only here, so nothing can be attached (EROFS).`,
      why: "Containers see the sysfs of their machine, and may not write to it.",
      next: [
        "Run `usbferry attach` on the machine itself; a container can be given the device node that comes of it.",
        `Or start the container so that it may write there: docker run -v /${VHCI_FOLDER}:/${VHCI_FOLDER} ... (or --privileged)`,
      ],
    });
  }

  #notPermitted(code: string): Finding {
    return problem("VHCI_NO_PERMISSION", {
      what: `This user may not attach devices to the kernel (${code}).`,
      why:
        this.#uid === 0
          ? `/${VHCI_FOLDER}/attach belongs to root, and this is the root of a user namespace.`
          : `/${VHCI_FOLDER}/attach belongs to root, and this is the user with the number ${this.#uid}.`,
      next: [
        this.#uid === 0
          ? "Run it outside of the container, as root of the machine."
          : "Use sudo for attach and detach: sudo usbferry attach ADDR DEV",
      ],
    });
  }
}
