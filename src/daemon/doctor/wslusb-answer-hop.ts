import { printAddress } from "../../links/address.ts";
import { OpCommon } from "../../usbip/pdu.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { MessageType, WSLUSB_VERSION } from "../../wslusb/messages.ts";
import { protocolOf } from "../first-bytes.ts";
import type { RemotePlace } from "../place.ts";
import { askForDevices } from "./answer.ts";
import { isReply } from "./answer-hop.ts";
import type { Check } from "./check.ts";
import type { Daemons } from "./daemons.ts";
import { type Finding, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { howFast, shares, sharesNothing } from "./shared-devices.ts";
import { closes, otherProtocol, silent, tlsServer } from "./stranger.ts";
import { speaksTls } from "./tls-probe.ts";
import { askOverWslusb, type WslusbAnswer } from "./wslusb-answer.ts";

const ANSWER_MS = 3_000;
const PROD_MS = 1_000;
const LIMITS = { silenceMs: 10_000, dialMs: 1_000 };

/** Whether a host of WSL-USB answers, in which version, what it shares, and how fast it can be. */
export class WslusbAnswerHop implements Check {
  readonly name = "answer";
  readonly #journey: Journey;
  readonly #daemons: Daemons;

  constructor(journey: Journey, daemons: Daemons) {
    this.#journey = journey;
    this.#daemons = daemons;
  }

  async run(): Promise<readonly Finding[]> {
    const { link, reached, again } = this.#journey;
    if (link === undefined || reached?.protocol !== "wslusb") return [];
    const subject = printAddress(reached);
    const answer = await askOverWslusb(link, ANSWER_MS, PROD_MS);
    const { result, first, timesMs, cause } = answer;
    if (typeof result === "object" && !(result instanceof ProtocolError)) {
      const listed =
        result.length === 0
          ? await sharesNothing(subject, "WSL-USB", reached, this.#daemons)
          : shares(
              subject,
              result.map(({ instance_id: busid, vid, pid, is_attached }) => ({
                busid,
                vid,
                pid,
                isTaken: is_attached === 1,
              })),
            );
      return [listed, howFast(timesMs)];
    }
    if (first.length > 0) return [otherAnswer(reached, answer)];
    // A host of USB/IP closes at what it does not know, without a word.
    if (again !== undefined && (await speaksUsbip(again))) return [usbipHost(reached)];
    if (result === "silent") return [silent(subject, "WSL-USB", ANSWER_MS + PROD_MS)];
    const isTls = reached.kind === "tcp" && (await speaksTls(reached));
    return [isTls ? tlsServer(subject) : closes(subject, cause?.code)];
  }
}

async function speaksUsbip(again: NonNullable<Journey["again"]>): Promise<boolean> {
  try {
    const { first } = await askForDevices(await again(LIMITS), LIMITS.dialMs, 0);
    return isUsbip(first);
  } catch {
    return false;
  }
}

function isUsbip(first: Uint8Array): boolean {
  return first.length >= OpCommon.size && OpCommon.version(first, 0) >> 8 === 1 && isReply(first);
}

/** Bytes came, and they are no list of devices. */
function otherAnswer(place: RemotePlace, { first, result, cause }: WslusbAnswer): Finding {
  const subject = printAddress(place);
  if (isUsbip(first)) return usbipHost(place);
  if (protocolOf(first, "usbip") !== "wslusb") return otherProtocol(subject, "WSL-USB", first);
  const said = result instanceof ProtocolError ? result : undefined;
  if (said?.code === "BAD_VERSION") return wrongVersion(subject, first[0]!, said.message);
  if (said !== undefined && first[0] === MessageType.Error) {
    return problem("HOST_REFUSES", {
      what: `${subject} ends the conversation (${said.code}).`,
      why: `${said.message}.`.replace(/\.\.$/, "."),
      next: ["Look at the log of the host."],
    });
  }
  return problem("HOST_BREAKS_PROTOCOL", {
    what: `${subject} answers as a WSL-USB host, and not as one should.`,
    why: `${said?.toString() ?? cause?.message ?? "its answer was not whole in time"}.`.replace(/\.\.$/, "."),
    next: [
      "Update the host; if it is a usbferry host, please report it.",
      "A connection that is cut in the middle looks the same: try again.",
    ],
  });
}

function wrongVersion(subject: string, type: number, said: string): Finding {
  const isFirst = type !== MessageType.Hello && type !== MessageType.Error;
  return problem("WRONG_VERSION", {
    what: `${subject} speaks ${isFirst ? "version 1" : "another version"} of WSL-USB, this command version ${WSLUSB_VERSION}.`,
    why: isFirst
      ? "It answers without a Hello, as the proposal of 2025 did. Requests of version 1 have no setup packet, so no device can be used over it."
      : `${said}.`.replace(/\.\.$/, "."),
    next: [isFirst ? "Use a usbferry host in its place." : "Update the older of the two."],
  });
}

function usbipHost(place: RemotePlace): Finding {
  const address = printAddress({ ...place, protocol: "usbip" });
  return problem("USBIP_HOST", {
    what: `${printAddress(place)} is a host of USB/IP, not of WSL-USB.`,
    why: "It answers a request of USB/IP, and none of WSL-USB. A usbferry host answers both at every address; this is an older one, usbipd-win, or the stock usbipd.",
    next: [`usbferry doctor ${address}`, `usbferry attach ${address} DEV`],
  });
}
