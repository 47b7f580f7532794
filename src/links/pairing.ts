import { createHash, randomBytes, timingSafeEqual, X509Certificate } from "node:crypto";
import { fingerprintOf } from "./certificate.ts";

/**
 * How two machines that trust nobody yet exchange their certificates, over any stream: both commit to certificate and nonce
 * before either shows them, so that whoever is in between has one guess in a million at the digits that people compare
 * (the numeric comparison of Bluetooth, Core Specification vol. 2 part H §7.2.1). docs/links.md tells the bytes.
 */

const MAGIC = Buffer.from("usbferry pair 1\n", "latin1");
const HASH_BYTES = 32;
const NONCE_BYTES = 32;
const CERTIFICATE_BYTES = 4096;

/** type (1), length of what follows (2, big endian) */
const HEADER_BYTES = 3;
const FrameType = { COMMIT: 1, REVEAL: 2, CONFIRM: 3, REJECT: 4 } as const;
type FrameType = (typeof FrameType)[keyof typeof FrameType];

const LONGEST: ReadonlyMap<number, number> = new Map([
  [FrameType.COMMIT, HASH_BYTES],
  [FrameType.REVEAL, NONCE_BYTES + CERTIFICATE_BYTES],
  [FrameType.CONFIRM, 0],
  [FrameType.REJECT, 0],
]);

/** Which end one is goes into each commitment: what one has said cannot be sent back to oneself. */
export type PairingRole = "dials" | "listens";

/** What a pairing came to. */
export type PairingEnd =
  /** Both people have confirmed. */
  | { readonly outcome: "paired" }
  /** The person there has said no. */
  | { readonly outcome: "rejected" }
  | { readonly outcome: "broken"; readonly reason: string };

/** What a pairing asks of its surroundings. */
export interface PairingOutput {
  write(bytes: Uint8Array): void;
  /** The other certificate, and what both people compare. `confirm` or `reject` is to follow. */
  compare(certificate: X509Certificate, digits: string): void;
  ended(end: PairingEnd): void;
}

/** One side of a pairing. It is fed what the other sends, cut anywhere. */
export class Pairing {
  readonly #role: PairingRole;
  readonly #certificate: Uint8Array;
  readonly #output: PairingOutput;
  readonly #nonce: Uint8Array;
  #unread: Uint8Array = new Uint8Array(0);
  #isGreeted = false;
  #expected: FrameType = FrameType.COMMIT;
  #commitment: Uint8Array | undefined;
  #hasShown = false;
  #confirmedHere = false;
  #confirmedThere = false;
  #isOver = false;

  /** `certificate` is the own one (DER). */
  constructor(
    role: PairingRole,
    certificate: Uint8Array,
    output: PairingOutput,
    nonce: Uint8Array = randomBytes(NONCE_BYTES),
  ) {
    this.#role = role;
    this.#certificate = certificate;
    this.#output = output;
    this.#nonce = nonce;
  }

  /** The other side has seen what it could use for a second guess: another attempt needs another person. */
  get hasShown(): boolean {
    return this.#hasShown;
  }

  start(): void {
    this.#output.write(MAGIC);
    this.#send(FrameType.COMMIT, commitmentTo(this.#role, this.#certificate, this.#nonce));
  }

  receive(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (!this.#greeted()) return;
    while (!this.#isOver) {
      const frame = this.#nextFrame();
      if (frame === undefined) return;
      this.#take(frame);
    }
  }

  /** The person here has seen the same digits there. */
  confirm(): void {
    this.#confirmedHere = true;
    this.#send(FrameType.CONFIRM);
    this.#endIfBoth();
  }

  reject(): void {
    this.#send(FrameType.REJECT);
    this.#isOver = true;
  }

  /** The connection is gone. */
  disconnected(reason = "the other side closed the connection"): void {
    this.#break(reason);
  }

  #greeted(): boolean {
    if (this.#isGreeted) return true;
    const length = Math.min(this.#unread.length, MAGIC.length);
    if (!MAGIC.subarray(0, length).equals(this.#unread.subarray(0, length))) {
      this.#break("the other side is not `usbferry pair`");
      return false;
    }
    if (length < MAGIC.length) return false;
    this.#unread = this.#unread.subarray(length);
    this.#isGreeted = true;
    return true;
  }

  /** A whole frame of the type that is expected. */
  #nextFrame(): Uint8Array | undefined {
    if (this.#unread.length < HEADER_BYTES) return undefined;
    const type = this.#unread[0]!;
    const length = (this.#unread[1]! << 8) | this.#unread[2]!;
    const isExpected =
      type === this.#expected || (this.#expected === FrameType.CONFIRM && type === FrameType.REJECT);
    if (!isExpected || length > LONGEST.get(type)!) {
      this.#break(`the other side sends what cannot come here (type ${type}, ${length} bytes)`);
      return undefined;
    }
    if (this.#unread.length < HEADER_BYTES + length) return undefined;
    const frame = this.#unread.slice(HEADER_BYTES, HEADER_BYTES + length);
    this.#unread = this.#unread.slice(HEADER_BYTES + length);
    if (type === FrameType.REJECT) {
      this.#end({ outcome: "rejected" });
      return undefined;
    }
    return frame;
  }

  #take(frame: Uint8Array): void {
    switch (this.#expected) {
      case FrameType.COMMIT:
        if (frame.length !== HASH_BYTES) {
          this.#break("its commitment has another length");
          return;
        }
        this.#commitment = frame;
        this.#expected = FrameType.REVEAL;
        this.#hasShown = true;
        this.#send(FrameType.REVEAL, Buffer.concat([this.#nonce, this.#certificate]));
        return;
      case FrameType.REVEAL:
        this.#revealed(frame);
        return;
      default:
        this.#confirmedThere = true;
        this.#endIfBoth();
    }
  }

  #revealed(frame: Uint8Array): void {
    const nonce = frame.subarray(0, NONCE_BYTES);
    const der = frame.subarray(NONCE_BYTES);
    const theirs: PairingRole = this.#role === "dials" ? "listens" : "dials";
    if (nonce.length < NONCE_BYTES || !timingSafeEqual(commitmentTo(theirs, der, nonce), this.#commitment!)) {
      this.#break("what it shows is not what it had committed to; somebody may be in between");
      return;
    }
    const certificate = readCertificate(der);
    if (certificate === undefined) {
      this.#break("what it shows is no certificate");
      return;
    }
    this.#expected = FrameType.CONFIRM;
    const here = { certificate: this.#certificate, nonce: this.#nonce };
    const there = { certificate: der, nonce };
    const [dialling, listening] = this.#role === "dials" ? [here, there] : [there, here];
    this.#output.compare(certificate, digitsOf(dialling, listening));
  }

  #endIfBoth(): void {
    if (this.#confirmedHere && this.#confirmedThere) this.#end({ outcome: "paired" });
  }

  #send(type: FrameType, payload: Uint8Array = new Uint8Array(0)): void {
    if (this.#isOver) return;
    const header = Uint8Array.of(type, payload.length >> 8, payload.length & 0xff);
    this.#output.write(Buffer.concat([header, payload]));
  }

  #break(reason: string): void {
    this.#end({ outcome: "broken", reason });
  }

  #end(end: PairingEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#output.ended(end);
  }
}

interface Shown {
  readonly certificate: Uint8Array;
  readonly nonce: Uint8Array;
}

function commitmentTo(role: PairingRole, certificate: Uint8Array, nonce: Uint8Array): Uint8Array {
  return createHash("sha256")
    .update(MAGIC)
    .update(`${role}\n`)
    .update(fingerprintOf(certificate))
    .update(nonce)
    .digest();
}

/** Six digits of a hash over all that was shown. */
function digitsOf(dialling: Shown, listening: Shown): string {
  const hash = createHash("sha256").update(MAGIC).update("digits\n");
  for (const { certificate, nonce } of [dialling, listening]) {
    hash.update(fingerprintOf(certificate)).update(nonce);
  }
  const number = hash.digest().readBigUInt64BE() % 1_000_000n;
  return String(number).padStart(6, "0");
}

function readCertificate(der: Uint8Array): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der);
    // Behind a certificate other bytes could follow, which TLS never shows.
    return certificate.raw.equals(der) ? certificate : undefined;
  } catch {
    return undefined;
  }
}
