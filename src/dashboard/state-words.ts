import type { Device, DeviceEvent } from "./api.ts";

export interface StateWords {
  readonly words: string;
  readonly tone: "quiet" | "free" | "live" | "bad";
}

export function stateWords({ state, obstacle, drivers = [] }: Device): StateWords {
  if (obstacle !== undefined && state !== "attached") return { words: "Not available", tone: "bad" };
  switch (state) {
    case "free":
      return { words: "Shared, free", tone: "free" };
    case "attached":
      return { words: "In use by a guest", tone: "live" };
    case "in-use":
      return {
        words: drivers.length === 0 ? "In use here" : `In use here (${drivers.join(", ")})`,
        tone: "quiet",
      };
    case "imported":
      return { words: "Attached here, plugged in elsewhere", tone: "quiet" };
    case "not-shared":
      return { words: "Not shared", tone: "quiet" };
  }
}

/** `tcp:192.0.2.7:40112` as the computer at the other end. */
export function guestOf(peer: string): string {
  const tcp = /^(?:wslusb\+)?(?:tcp|tls):(.*):\d+$/.exec(peer)?.[1];
  if (tcp === undefined) return peer;
  return /^(127\.|\[?::1\]?$)/.test(tcp) ? "this machine" : tcp;
}

const EVENT_NAMES: Readonly<Record<DeviceEvent["kind"], string>> = {
  added: "Offered",
  removed: "Withdrawn",
  changed: "Changed",
  attached: "Attached",
  detached: "Detached",
  refused: "Refused",
  error: "Error",
};

export function eventName(kind: DeviceEvent["kind"]): string {
  return EVENT_NAMES[kind];
}

/** Words for the `reason` of `changed`, which is the new state. */
const CHANGES: Readonly<Record<string, string>> = {
  "not-shared": "is plugged in and not shared",
  "in-use": "is used by drivers of this machine",
  free: "is shared and free",
  attached: "has a guest",
  imported: "is attached here from another machine",
  unplugged: "was unplugged",
};

/** Ends that are nobody's fault, in words. */
const ENDS: Readonly<Record<string, string>> = {
  OK: "The guest gave it back.",
  DISCONNECTED: "The guest closed its connection.",
  KICKED: "It was disconnected by hand.",
  UNBOUND: "It is not shared any more.",
  STOPPED: "This host was stopped.",
};

/** What happened, as a sentence; `name` is that of the device, where it is known still. */
export function eventWords({ kind, device, peer, reason, code }: DeviceEvent, name?: string): string {
  const busid = device?.busid;
  const what = busid === undefined ? "a device" : name === undefined ? busid : `${name} (${busid})`;
  const who = peer === undefined ? "a guest" : guestOf(peer);
  switch (kind) {
    case "added":
      return `${what} is offered to guests.`;
    case "removed":
      return `${what} is offered no more.`;
    case "changed":
      return `${what} ${CHANGES[reason ?? ""] ?? reason ?? "changed"}.`;
    case "attached":
      return `${who} has ${what}.`;
    case "detached":
      return `${who} has ${what} no longer. ${ENDS[code ?? ""] ?? because(reason)}`;
    case "refused":
      return device === undefined
        ? `A connection was refused. ${because(reason)}`
        : `${who} did not get ${what}. ${because(reason)}`;
    case "error":
      return `The connection of ${who} ended. ${because(reason)}`;
  }
}

function because(reason = ""): string {
  if (reason === "") return "";
  const sentence = reason.charAt(0).toUpperCase() + reason.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** Whether a person may have to do something. */
export function isTrouble({ kind, code = "" }: DeviceEvent): boolean {
  return kind === "refused" || kind === "error" || (kind === "detached" && ENDS[code] === undefined);
}

export function clock(time: string): string {
  return new Date(time).toLocaleTimeString(undefined, { hour12: false });
}

/** How long ago, in the largest unit that fits. */
export function ago(time: string, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
