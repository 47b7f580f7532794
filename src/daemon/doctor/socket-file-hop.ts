import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";

/** Whether the file of a unix socket is there and may be used. */
export class SocketFileHop implements Check {
  readonly name = "socket file";
  readonly #journey: Journey;

  constructor(journey: Journey) {
    this.#journey = journey;
  }

  run(): readonly Finding[] {
    const { address } = this.#journey;
    if (address?.kind !== "unix" && address?.kind !== "fc-vsock" && address?.kind !== "ring") return [];
    const { path } = address;
    try {
      const status = lstatSync(path);
      if (status.isSocket() || status.isSymbolicLink()) return [ok("SOCKET_FILE_THERE", `${path} is there.`)];
      return [
        problem("SOCKET_FILE_NO_SOCKET", {
          what: `${path} is not a socket.`,
          why: "The address names another file.",
          next: ["Check the path: the host prints it when it starts."],
        }),
      ];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return [code === "EACCES" ? forbidden(path) : missing(path, address.kind)];
    }
  }
}

function missing(path: string, kind: "unix" | "fc-vsock" | "ring"): Finding {
  return problem("SOCKET_FILE_MISSING", {
    what: `There is no ${path}.`,
    why:
      kind !== "fc-vsock"
        ? "The host does not run, or listens elsewhere. In a container the folder has to be given to it."
        : "The monitor of the virtual machine makes it: it does not run, or was given another path (uds_path).",
    next: [
      kind !== "fc-vsock"
        ? `Start the host there: usbferry serve --listen ${kind}:${path} ...`
        : "Start the virtual machine with a vsock device, and check its path.",
      `See what is there: ls -l ${dirname(path)}`,
    ],
  });
}

export function forbidden(path: string): Finding {
  return problem("SOCKET_FILE_NO_PERMISSION", {
    what: `This user may not use ${path} (EACCES).`,
    why: "A host's socket is its owner's and its group's, and its folder may be closed to others.",
    next: [`See whose it is: ls -l ${path}`, "Join that group, or use sudo."],
  });
}
