import { printAddress } from "../../links/address.ts";
import type { RemotePlace } from "../place.ts";
import type { Daemons } from "./daemons.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { Expected } from "./stranger.ts";

/** A disk's request of 120 KiB is three messages, one after the other: command, data, status. */
const DISK_BYTES = 120 << 10;
const DISK_MESSAGES = 3;
/** Serial adapters and their like, which wait for each answer, become sluggish. */
const SLOW_MS = 20;
const NAMED_DEVICES = 6;

/** A device of a list, as a person knows it. */
export interface SharedDevice {
  readonly busid: string;
  readonly vid: number;
  readonly pid: number;
  /** Somebody has it; a list of USB/IP leaves such out. */
  readonly isTaken?: boolean;
}

export function shares(subject: string, devices: readonly SharedDevice[]): Finding {
  const words = devices.slice(0, NAMED_DEVICES).map(({ busid, vid, pid, isTaken }) => {
    const ids = [vid, pid].map((id) => id.toString(16).padStart(4, "0")).join(":");
    return `${busid.replace(/[^\x20-\x7e]/g, "?")} (${isTaken === true ? `${ids}, in use` : ids})`;
  });
  const more = devices.length > NAMED_DEVICES ? ` and ${devices.length - NAMED_DEVICES} more` : "";
  return ok("LIST_ANSWERED", `${subject} shares ${words.join(", ")}${more}.`);
}

/** From elsewhere a list cannot be told from a shorter one; the host of this machine can be asked. */
export async function sharesNothing(
  subject: string,
  expected: Expected,
  place: RemotePlace,
  daemons: Daemons,
): Promise<Finding> {
  const host = await daemons.host();
  if (host?.addresses.includes(printAddress(place)) === true) {
    const free = host.devices.filter(({ state }) => state === "free").map(({ busid }) => busid);
    if (free.length > 0) return denied(subject, free);
  }
  return problem("SHARES_NOTHING", {
    what: `${subject} is a ${expected} host and shows no device.`,
    why: "Nothing is shared, or all of it is attached elsewhere already, or a rule keeps it from this machine: who may not have a device does not see it.",
    next: [
      "On a usbferry host: `usbferry list` tells what is shared and who has it, `usbferry policy list` who may.",
      ...(expected === "USB/IP"
        ? [
            "On Windows: usbipd list, then usbipd bind --busid BUSID. With the stock tools: usbip bind -b BUSID",
          ]
        : []),
    ],
  });
}

function denied(subject: string, free: readonly string[]): Finding {
  return problem("DENIED_BY_RULES", {
    what: `${subject} shares ${free.join(", ")}, and not with this client.`,
    why: "A rule of the host denies it, or none allows it.",
    next: [
      "See the rules, in the order in which they are asked: usbferry policy list",
      "usbferry policy add allow client=ADDRESS",
    ],
  });
}

/** What the time to an answer allows. */
export function howFast(timesMs: readonly number[]): Finding {
  const ms = timesMs.toSorted((a, b) => a - b)[timesMs.length >> 1]!;
  const requests = Math.round(1_000 / ms);
  const rate = (DISK_BYTES / (DISK_MESSAGES * ms) / 1_000).toPrecision(2);
  const what =
    `It answers in ${ms.toFixed(2)} ms (median of ${timesMs.length}): of requests that wait for each other expect up to ` +
    `${requests} a second, from a disk up to ${Number(rate)} MB/s.`;
  if (ms < SLOW_MS) return ok("LIST_ANSWERED", what);
  return note("ANSWERS_SLOWLY", {
    what,
    why: "Each transfer waits at least that long: disks, serial adapters and security keys feel slow, cameras and sound may fail.",
    next: ["Use a cable in place of radio, leave out VPNs and tunnels, or move the host nearer."],
  });
}
