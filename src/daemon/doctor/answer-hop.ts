import { printAddress } from "../../links/address.ts";
import { OpCommon, USBIP_VERSION } from "../../usbip/pdu.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { type Answer, askForDevices } from "./answer.ts";
import type { Check } from "./check.ts";
import type { Daemons } from "./daemons.ts";
import { type Finding, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { howFast, shares, sharesNothing } from "./shared-devices.ts";
import { closes, otherProtocol, silent, tlsServer } from "./stranger.ts";
import { speaksTls } from "./tls-probe.ts";

const ANSWER_MS = 3_000;
const PROD_MS = 1_000;
/** Asked again for the figure, as long as that takes no longer. */
const MEASURED = 5;
const MEASURE_MS = 2_000;
const LIMITS = { silenceMs: 10_000, dialMs: 1_000 };

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
    const { link, reached, again } = this.#journey;
    if (link === undefined || reached === undefined || again === undefined || reached.protocol === "wslusb")
      return [];
    const subject = printAddress(reached);
    const answer = await askForDevices(link, ANSWER_MS, PROD_MS);
    const { result } = answer;
    if (result === "silent" && answer.first.length === 0)
      return [silent(subject, "USB/IP", ANSWER_MS + PROD_MS)];
    if (result === "cut" && answer.first.length === 0) {
      const isTls = reached.kind === "tcp" && (await speaksTls(reached));
      return [isTls ? tlsServer(subject) : closes(subject, answer.cause?.code)];
    }
    if (result === "silent" || result === "cut" || result instanceof ProtocolError) {
      return [otherAnswer(subject, answer)];
    }
    const listed =
      result.length === 0
        ? await sharesNothing(subject, "USB/IP", reached, this.#daemons)
        : shares(
            subject,
            result.map(({ busid, idVendor, idProduct }) => ({ busid, vid: idVendor, pid: idProduct })),
          );
    return [listed, await speed(again, answer.latencyMs)];
  }
}

/** The median time to an answer, and what it allows. */
async function speed(again: NonNullable<Journey["again"]>, firstMs: number): Promise<Finding> {
  const times = [firstMs];
  const endMs = performance.now() + MEASURE_MS;
  while (times.length < MEASURED && performance.now() < endMs) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- at once they would measure each other
      const answer = await askForDevices(await again(LIMITS), LIMITS.dialMs, 0);
      if (!Array.isArray(answer.result)) break;
      times.push(answer.latencyMs);
    } catch {
      break; // a host may limit how often it is asked
    }
  }
  return howFast(times);
}

/** Bytes came, and they are not a list of devices. */
function otherAnswer(subject: string, { first, result, cause }: Answer): Finding {
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
  return otherProtocol(subject, "USB/IP", first);
}

/** Codes of replies have bit 15 clear, and the rest is one of the few that the document knows. */
export function isReply(first: Uint8Array): boolean {
  const code = OpCommon.code(first, 0);
  return code >= 2 && code <= 7;
}
