import { createHash, X509Certificate } from "node:crypto";
import { isOk } from "../../src/links/firecracker-vsock.ts";
import { LineReader } from "../../src/links/line-reader.ts";
import { Pairing, type PairingEnd } from "../../src/links/pairing.ts";
import { parseVerdict } from "../../src/links/verdict.ts";
import { HERE, THERE } from "../support/fixed-certificates.ts";
import { joined, mutateBytes, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { cut, requireSame, type Target } from "./target.ts";

/** Reads a line in pieces: the line, or what the reader makes of it, and how many bytes it took. */
function readLine(
  bytes: Uint8Array,
  limit: number,
  random: Random,
): readonly [line: string, used: number] | string {
  const reader = new LineReader(limit);
  let used = 0;
  for (const piece of cut(bytes, random)) {
    const taken = reader.take(piece);
    if (taken === "too long") return taken;
    if (taken !== undefined) return [taken.line, used + taken.used];
    used += piece.length;
  }
  return "unfinished";
}

function expectedLine(bytes: Uint8Array, limit: number): readonly [line: string, used: number] | string {
  const end = bytes.indexOf(0x0a);
  const line = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
  if (line.length >= limit) return "too long";
  return end < 0 ? "unfinished" : [line, end + 1];
}

/** A decoder of one line at the head of a stream. */
function lineTarget(
  name: string,
  limit: number,
  lines: readonly string[],
  isRight: (line: string) => boolean,
  isTaken: (line: string) => boolean,
): Target {
  const corpus = lines.map((line) => new Uint8Array(Buffer.from(line, "latin1")));
  return {
    name,
    corpus,
    mutant: (random) =>
      random.oneIn(2)
        ? mutateBytes(random.pick(corpus), random, corpus)
        : joined([random.pick(corpus), Uint8Array.of(random.next(), random.next(), random.next())]),
    judge(bytes, random) {
      const read = readLine(bytes, limit, random);
      requireSame(String(read), String(expectedLine(bytes, limit)), "line");
      if (typeof read === "string") return "error";
      requireSame(isTaken(read[0]), isRight(read[0]), `taking ${JSON.stringify(read[0])}`);
      return isTaken(read[0]) ? "value" : "error";
    },
  };
}

export const connectAnswerTarget: Target = lineTarget(
  "CONNECT answer",
  32,
  ["OK 1073741824\n", "OK 5\r\n", "OK 4294967295\nbytes of the guest"],
  (line) => {
    const digits = line.replace(/\r$/, "").slice(3);
    return line.startsWith("OK ") && digits.length >= 1 && digits.length <= 10 && !/[^0-9]/.test(digits);
  },
  isOk,
);

const VERDICTS = [
  "OK",
  "CERTIFICATE_ABSENT",
  "CERTIFICATE_UNKNOWN",
  "CERTIFICATE_EXPIRED",
  "CERTIFICATE_EARLY",
  "WRONG_NAME",
];

export const verdictTarget: Target = lineTarget(
  "TLS verdict",
  48,
  VERDICTS.map((verdict) => `usbferry/1 ${verdict}\n`),
  (line) => VERDICTS.some((verdict) => line === `usbferry/1 ${verdict}`),
  (line) => parseVerdict(line) !== undefined,
);

const MAGIC = new Uint8Array(Buffer.from("usbferry pair 1\n"));

function sha256(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  const bytes = joined([Uint8Array.of(type, 0, 0), payload]);
  putField(bytes, 1, 2, "big", payload.length);
  return bytes;
}

/** All that the side that dials has to say. */
function conversation(nonce: Uint8Array, certificate: Uint8Array, last: number): Uint8Array {
  const fingerprint = Buffer.from(sha256(certificate)).toString("hex");
  return joined([
    MAGIC,
    frame(1, sha256(MAGIC, "dials\n", fingerprint, nonce)),
    frame(2, joined([nonce, certificate])),
    frame(last, new Uint8Array(0)),
  ]);
}

const NONCE = new Uint8Array(32).fill(9);
const CONVERSATIONS = [conversation(NONCE, HERE, 3), conversation(NONCE, HERE, 4)];
const OWN_NONCE = new Uint8Array(32).fill(2);

/** What a certificate is, OpenSSL says. */
function isCertificate(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).raw.equals(der);
  } catch {
    return false;
  }
}

/** What a listening side must come to, by reading the whole at once. */
function expectedOutcome(bytes: Uint8Array): string {
  const magic = Buffer.from(bytes.subarray(0, MAGIC.length));
  if (!magic.equals(MAGIC.subarray(0, magic.length))) return "broken";
  let at: number = MAGIC.length;
  let commitment: Uint8Array | undefined;
  let asked = "";
  for (const [types, most] of [
    [[1], 32],
    [[2], 32 + 4096],
    [[3, 4], 0],
  ] as const) {
    if (bytes.length < at + 3) return `${asked}open`;
    const type = bytes[at]!;
    const length = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (!(types as readonly number[]).includes(type) || length > most) return `${asked}broken`;
    const payload = bytes.subarray(at + 3, at + 3 + length);
    if (payload.length < length) return `${asked}open`;
    at += 3 + length;
    if (type === 1) {
      if (length !== 32) return "broken";
      commitment = payload;
    } else if (type === 2) {
      const fingerprint = Buffer.from(sha256(payload.subarray(32))).toString("hex");
      const right = sha256(MAGIC, "dials\n", fingerprint, payload.subarray(0, 32));
      if (length < 32 || !Buffer.from(right).equals(commitment!)) return "broken";
      if (!isCertificate(payload.subarray(32))) return "broken";
      asked = "asked ";
    } else if (type === 4) return `${asked}rejected`;
    else return at === bytes.length ? `${asked}paired` : `${asked}paired with more`;
  }
  return `${asked}open`;
}

export const pairingTarget: Target = {
  name: "Pairing",
  corpus: CONVERSATIONS,
  mutant(random) {
    const nonce = new Uint8Array(32).map(() => random.next());
    const certificate = random.oneIn(4) ? mutateBytes(HERE, random, [HERE, THERE]) : HERE;
    const whole = conversation(nonce, certificate, random.pick([3, 4]));
    return random.oneIn(2) ? mutateBytes(whole, random, CONVERSATIONS) : whole;
  },
  judge(bytes, random) {
    const ends: PairingEnd[] = [];
    let asked = "";
    let written = 0;
    const pairing: Pairing = new Pairing(
      "listens",
      THERE,
      {
        write: (said) => {
          written += said.length;
        },
        compare: (_, digits) => {
          requireSame(/^\d{6}$/.test(digits), true, "six digits");
          requireSame(asked, "", "asked once");
          asked = "asked ";
          pairing.confirm();
        },
        ended: (end) => void ends.push(end),
      },
      OWN_NONCE,
    );
    pairing.start();
    for (const piece of cut(bytes, random)) pairing.receive(piece);
    const expected = expectedOutcome(bytes).replace(" with more", "");
    requireSame(`${asked}${ends[0]?.outcome ?? "open"}`, expected, "outcome");
    requireSame(written <= 16 + 35 + 35 + THERE.length + 6, true, "a bounded answer");
    pairing.disconnected();
    pairing.receive(bytes);
    requireSame(ends.length, 1, "ends");
    return asked === "" ? "error" : "value";
  },
};
