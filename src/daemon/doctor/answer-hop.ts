import { printAddress } from "../../links/address.ts";
import { dial } from "../../links/dial.ts";
import type { LinkAddress } from "../../links/listen.ts";
import type { ListedDevice } from "../../usbip/device-list.ts";
import { OpCommon, USBIP_VERSION } from "../../usbip/pdu.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { StateFolder } from "../state/state-folder.ts";
import { Trust } from "../trust.ts";
import { type Answer, askForDevices } from "./answer.ts";
import type { Check } from "./check.ts";
import type { Daemons } from "./daemons.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { speaksTls } from "./tls-probe.ts";

const ANSWER_MS = 3_000;
const PROD_MS = 1_000;
/** Asked again for the figure, as long as that takes no longer. */
const MEASURED = 5;
const MEASURE_MS = 2_000;
const LIMITS = { silenceMs: 10_000, dialMs: 1_000 };

/** A disk's request of 120 KiB is three messages, one after the other: command, data, status. */
const DISK_BYTES = 120 << 10;
const DISK_MESSAGES = 3;
/** Serial adapters and their like, which wait for each answer, become sluggish. */
const SLOW_MS = 20;
const NAMED_DEVICES = 6;

/** Whether a USB/IP host answers, what it shares, and how fast it can be. */
export class AnswerHop implements Check {
  readonly name = "answer";
  readonly #journey: Journey;
  readonly #daemons: Daemons;

  constructor(journey: Journey, daemons: Daemons) {
    this.#journey = journey;
    this.#daemons = daemons;
  }

  async run(): Promise<readonly Finding[]> {
    const { link, reached } = this.#journey;
    if (link === undefined || reached === undefined) return [];
    const subject = printAddress(reached);
    const answer = await askForDevices(link, ANSWER_MS, PROD_MS);
    const { result } = answer;
    if (result === "silent" && answer.first.length === 0) return [silent(subject)];
    if (result === "cut" && answer.first.length === 0) {
      const isTls = reached.kind === "tcp" && (await speaksTls(reached));
      return [isTls ? tlsServer(subject) : closes(subject, answer.cause?.code)];
    }
    if (result === "silent" || result === "cut" || result instanceof ProtocolError) {
      return [otherAnswer(subject, answer)];
    }
    const listed = result.length === 0 ? await this.#nothing(subject, reached) : shares(subject, result);
    return [listed, await speed(reached, answer.latencyMs)];
  }

  /** From elsewhere a list cannot be told from a shorter one; the host of this machine can be asked. */
  async #nothing(subject: string, place: LinkAddress): Promise<Finding> {
    const host = await this.#daemons.host();
    if (host?.addresses.includes(printAddress(place)) === true) {
      const free = host.devices.filter(({ state }) => state === "free").map(({ busid }) => busid);
      if (free.length > 0) return denied(subject, free);
    }
    return problem("SHARES_NOTHING", {
      what: `${subject} is a USB/IP host and shows no device.`,
      why: "Nothing is shared, or all of it is attached elsewhere already, or a rule keeps it from this machine: who may not have a device does not see it.",
      next: [
        "On a usbferry host: `usbferry list` tells what is shared and who has it, `usbferry policy list` who may.",
        "On Windows: usbipd list, then usbipd bind --busid BUSID. With the stock tools: usbip bind -b BUSID",
      ],
    });
  }
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

function shares(subject: string, devices: readonly ListedDevice[]): Finding {
  const words = devices.slice(0, NAMED_DEVICES).map(({ busid, idVendor, idProduct }) => {
    const ids = [idVendor, idProduct].map((id) => id.toString(16).padStart(4, "0"));
    return `${busid.replace(/[^\x20-\x7e]/g, "?")} (${ids.join(":")})`;
  });
  const more = devices.length > NAMED_DEVICES ? ` and ${devices.length - NAMED_DEVICES} more` : "";
  return ok("LIST_ANSWERED", `${subject} shares ${words.join(", ")}${more}.`);
}

/** The median time to an answer, and what it allows. */
async function speed(place: LinkAddress, firstMs: number): Promise<Finding> {
  const times = [firstMs];
  const options = { limits: LIMITS, trust: new Trust(new StateFolder()) };
  const endMs = performance.now() + MEASURE_MS;
  while (times.length < MEASURED && performance.now() < endMs) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- at once they would measure each other
      const answer = await askForDevices(await dial(place, options), LIMITS.dialMs, 0);
      if (!Array.isArray(answer.result)) break;
      times.push(answer.latencyMs);
    } catch {
      break; // a host may limit how often it is asked
    }
  }
  const ms = times.toSorted((a, b) => a - b)[times.length >> 1]!;
  const requests = Math.round(1_000 / ms);
  const rate = (DISK_BYTES / (DISK_MESSAGES * ms) / 1_000).toPrecision(2);
  const what =
    `It answers in ${ms.toFixed(2)} ms (median of ${times.length}): of requests that wait for each other expect up to ` +
    `${requests} a second, from a disk up to ${Number(rate)} MB/s.`;
  if (ms < SLOW_MS) return ok("LIST_ANSWERED", what);
  return note("ANSWERS_SLOWLY", {
    what,
    why: "Each transfer waits at least that long: disks, serial adapters and security keys feel slow, cameras and sound may fail.",
    next: ["Use a cable in place of radio, leave out VPNs and tunnels, or move the host nearer."],
  });
}

function silent(subject: string): Finding {
  return problem("HOST_SILENT", {
    what: `${subject} takes the connection and says nothing for ${(ANSWER_MS + PROD_MS) / 1_000} s.`,
    why: "What listens there is no USB/IP host, or hangs. A proxy, a virtual machine's port forwarding and some firewalls take connections for hosts that are not there.",
    next: [
      "On the host, see who listens on the port: sudo ss -ltnp",
      "Start the host again, and look at its log.",
    ],
  });
}

export function closes(subject: string, code: string | undefined): Finding {
  return problem("HOST_CLOSES", {
    what: `${subject} takes the connection and closes it without an answer${code === undefined ? "" : ` (${code})`}.`,
    why: "A tunnel or proxy (ssh -L, docker, netsh portproxy) that finds nobody at its other end does so, and hosts that do not let this address in, or have too many connections.",
    next: [
      "On the host itself: usbferry doctor tcp:127.0.0.1:3240",
      "Check the other end of the tunnel, the rules of the host, and its log.",
    ],
  });
}

function tlsServer(subject: string): Finding {
  return problem("TLS_SERVER", {
    what: `${subject} speaks TLS.`,
    why: "It expects an encrypted connection: a host that listens on tls:, or another service.",
    next: ["If it is a usbferry host: usbferry doctor tls:HOST:PORT", "Else check the port."],
  });
}

/** Bytes came, and they are not a list of devices. */
function otherAnswer(subject: string, { first, result, cause }: Answer): Finding {
  const text = Buffer.from(first).toString("latin1");
  if (text.includes("HTTP/")) {
    return problem("HTTP_SERVER", {
      what: `${subject} is a web server, not a USB/IP host.`,
      why: `It answers: ${quoted(text)}`,
      next: ["Check the port: USB/IP is 3240 unless the host says otherwise."],
    });
  }
  // A record of the kind alert or handshake, of TLS 1.x.
  if ((first[0] === 0x15 || first[0] === 0x16) && first[1] === 3) {
    return tlsServer(subject);
  }
  if (first.length >= OpCommon.size && OpCommon.version(first, 0) !== USBIP_VERSION && isReply(first)) {
    const version = OpCommon.version(first, 0).toString(16);
    return problem("WRONG_VERSION", {
      what: `${subject} speaks version 0x${version} of USB/IP, this command 0x${USBIP_VERSION.toString(16)}.`,
      why: "Hosts of 2010 and before (usbip 0.1) speak 0x106; the messages differ.",
      next: ["Update the host: usbip 2.0, usbipd-win or usbferry."],
    });
  }
  if (first.length >= OpCommon.size && OpCommon.version(first, 0) === USBIP_VERSION && isReply(first)) {
    const status = OpCommon.status(first, 0);
    if (status !== 0) {
      return problem("HOST_REFUSES", {
        what: `${subject} refuses to list its devices, with status ${status}.`,
        why: "It is a USB/IP host and does not want to, or cannot.",
        next: ["Look at the log of the host."],
      });
    }
    const how =
      result instanceof ProtocolError
        ? result.toString()
        : (cause?.message ?? "the list was not whole in time");
    return problem("HOST_BREAKS_PROTOCOL", {
      what: `${subject} answers as a USB/IP host, and its list is broken.`,
      why: `${how}.`.replace(/\.\.$/, "."),
      next: [
        "Update the host; if it is a usbferry host, please report it.",
        "A connection that is cut in the middle looks the same: try again.",
      ],
    });
  }
  return problem("OTHER_PROTOCOL", {
    what: `${subject} is no USB/IP host: it speaks something else.`,
    why: `It answers: ${quoted(text)}`,
    next: ["Check the port: USB/IP is 3240 unless the host says otherwise."],
  });
}

/** Codes of replies have bit 15 clear, and the rest is one of the few that the document knows. */
function isReply(first: Uint8Array): boolean {
  const code = OpCommon.code(first, 0);
  return code >= 2 && code <= 7;
}

/** A stranger's bytes, harmless for a terminal. */
function quoted(text: string): string {
  const [line = ""] = text.split(/[\r\n]/);
  return `"${line.replace(/[^\x20-\x7e]/g, ".")}"`;
}
