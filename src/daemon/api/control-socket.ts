import { chmodSync, chownSync, mkdirSync, readFileSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import type { UnixAddress } from "../../links/address.ts";
import { LinkError, linkError } from "../../links/link-error.ts";
import { bindUnix } from "../../links/unix.ts";
import { AccessDenied, Failed, WrongUsage } from "../failure.ts";
import type { DaemonRole } from "./control-place.ts";

/** Folders of sockets are this user's and the group's. */
const FOLDER_MODE = 0o750;

/**
 * Lets the server listen at a unix socket that its owner and a group may use, in a folder that is made if there is
 * none. Rejects with WrongUsage, AccessDenied, Failed or a LinkError.
 */
export async function bindControlSocket(
  server: Server,
  place: UnixAddress,
  role: DaemonRole,
  group: string | undefined,
): Promise<void> {
  const gid = group === undefined ? undefined : groupId(group);
  const folder = dirname(place.path);
  try {
    const made = mkdirSync(folder, { recursive: true, mode: FOLDER_MODE }) !== undefined;
    // The mask of this process may have taken from the mode.
    if (made) chmodSync(folder, FOLDER_MODE);
    if (made && gid !== undefined) chownSync(folder, -1, gid);
  } catch (error) {
    throw linkError("listen", `the control socket unix:${place.path}`, error as NodeJS.ErrnoException);
  }
  try {
    await bindUnix(server, place);
  } catch (error) {
    if (error instanceof LinkError && error.code === "EADDRINUSE") throw secondDaemon(place, role);
    throw error;
  }
  if (gid === undefined) return;
  try {
    chownSync(place.path, -1, gid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AccessDenied(
      `this user may not give ${place.path} to the group ${group} (${code}). Name a group of yours, or use sudo.`,
    );
  }
}

function secondDaemon(place: UnixAddress, role: DaemonRole): Failed {
  switch (role) {
    case "serve":
      return new Failed(
        `another usbferry host is controlled at ${place.path}. Stop it (\`usbferry state\` tells its pid), or give this ` +
          "one a control socket of its own: --control PATH, or --control off for none.",
      );
    case "agent":
      return new Failed(
        `another usbferry agent listens at ${place.path}. Use that one, or end it: \`usbferry state\` tells its pid.`,
      );
    case "controller":
      return new Failed(
        `something else is controlled at ${place.path}. Give this controller a socket of its own: --control PATH.`,
      );
  }
}

/** Node does not ask the system for groups; this file has those that are made on this machine. */
function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readGroups().find((candidate) => candidate.startsWith(`${group}:`));
  const gid = Number(line?.split(":")[2]);
  if (!Number.isInteger(gid)) {
    throw new WrongUsage(
      `there is no group "${group}" in /etc/group. Make it with \`sudo groupadd ${group}\`, or name it by its number.`,
    );
  }
  return gid;
}

function readGroups(): readonly string[] {
  try {
    return readFileSync("/etc/group", "utf8").split("\n");
  } catch {
    return [];
  }
}
