import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { HERE, THERE } from "../../test/support/fixed-certificates.ts";
import { Pairing, type PairingEnd, type PairingRole } from "./pairing.ts";

/** One side, and all that it has said and asked. */
class Side {
  readonly pairing: Pairing;
  readonly said: Uint8Array[] = [];
  readonly ends: PairingEnd[] = [];
  asked: { name: string; digits: string } | undefined;
  #reader: (bytes: Uint8Array) => void = () => {};

  constructor(role: PairingRole, certificate: Uint8Array, nonce: Uint8Array = new Uint8Array(32).fill(7)) {
    const output = {
      write: (bytes: Uint8Array) => {
        this.said.push(bytes);
        this.#reader(bytes);
      },
      compare: (theirs: { subject: string }, digits: string) => {
        this.asked = { name: theirs.subject, digits };
      },
      ended: (end: PairingEnd) => void this.ends.push(end),
    };
    this.pairing = new Pairing(role, certificate, output, nonce);
  }

  /** What it says goes there, in pieces of this size. */
  speakTo(other: Pairing, size = 1 << 16): void {
    this.#reader = (bytes) => {
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.slice(at, at + size);
        queueMicrotask(() => other.receive(piece));
      }
    };
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const nonce = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

async function pair(size?: number): Promise<readonly [Side, Side]> {
  const dialling = new Side("dials", HERE, nonce(1));
  const listening = new Side("listens", THERE, nonce(2));
  dialling.speakTo(listening.pairing, size);
  listening.speakTo(dialling.pairing, size);
  dialling.pairing.start();
  listening.pairing.start();
  await settled();
  return [dialling, listening];
}

for (const size of [1, 3, 100, 1 << 16]) {
  test(`two sides come to the same digits and the other's certificate, in pieces of ${size}`, async () => {
    const [dialling, listening] = await pair(size);
    assert.match(dialling.asked!.digits, /^\d{6}$/);
    assert.equal(dialling.asked!.digits, listening.asked!.digits);
    assert.deepEqual([dialling.asked!.name, listening.asked!.name], ["CN=there", "CN=here"]);
    dialling.pairing.confirm();
    await settled();
    assert.deepEqual([dialling.ends, listening.ends], [[], []], "one person is not enough");
    listening.pairing.confirm();
    await settled();
    assert.deepEqual([dialling.ends, listening.ends], [[{ outcome: "paired" }], [{ outcome: "paired" }]]);
  });
}

test("the bytes are those of the document", async () => {
  const [dialling] = await pair();
  const fingerprint = createHash("sha256").update(HERE).digest("hex");
  const commitment = createHash("sha256")
    .update(`usbferry pair 1\ndials\n${fingerprint}`)
    .update(nonce(1))
    .digest("hex");
  const length = (32 + HERE.length).toString(16).padStart(4, "0");
  assert.deepEqual(
    dialling.said.map((bytes) => Buffer.from(bytes).toString("hex")),
    [
      Buffer.from("usbferry pair 1\n").toString("hex"),
      `010020${commitment}`,
      `02${length}${"01".repeat(32)}${Buffer.from(HERE).toString("hex")}`,
    ],
  );
  const theirs = createHash("sha256").update(THERE).digest("hex");
  const digest = createHash("sha256")
    .update(`usbferry pair 1\ndigits\n${fingerprint}`)
    .update(nonce(1))
    .update(theirs)
    .update(nonce(2))
    .digest();
  assert.equal(dialling.asked!.digits, String(digest.readBigUInt64BE() % 1_000_000n).padStart(6, "0"));
});

test("a person who says no ends it there, too", async () => {
  const [dialling, listening] = await pair();
  dialling.pairing.confirm();
  listening.pairing.reject();
  await settled();
  assert.deepEqual([dialling.ends, listening.ends], [[{ outcome: "rejected" }], []]);
});

test("somebody in between, who pairs with each in the other's name, makes different digits", async () => {
  for (let attempt = 0; attempt < 20; attempt++) {
    const dialling = new Side("dials", HERE, nonce(attempt));
    const listening = new Side("listens", THERE, nonce(100 + attempt));
    // With certificates of its own. Here they are those of the others, which it could show without their keys.
    const asListener = new Side("listens", HERE, nonce(200));
    const asDialler = new Side("dials", THERE, nonce(201));
    dialling.speakTo(asListener.pairing);
    asListener.speakTo(dialling.pairing);
    listening.speakTo(asDialler.pairing);
    asDialler.speakTo(listening.pairing);
    for (const { pairing } of [dialling, listening, asListener, asDialler]) pairing.start();
    await settled();
    assert.notEqual(dialling.asked!.digits, listening.asked!.digits);
  }
});

/** What a side says to somebody who says these bytes to it. */
function heard(bytes: Uint8Array, role: PairingRole = "listens"): Side {
  const side = new Side(role, THERE, nonce(2));
  side.pairing.start();
  side.pairing.receive(bytes);
  return side;
}

async function wholeConversation(): Promise<Buffer> {
  const [dialling] = await pair();
  dialling.pairing.confirm();
  return Buffer.concat(dialling.said);
}

test("what is cut anywhere asks nobody, and ends when the connection does", async () => {
  const whole = await wholeConversation();
  const revealed = whole.length - 3;
  for (let length = 0; length < revealed; length++) {
    const side = heard(whole.subarray(0, length));
    assert.equal(side.asked, undefined);
    assert.deepEqual(side.ends, []);
    side.pairing.disconnected();
    assert.equal(side.ends.length, 1);
    side.pairing.receive(whole);
    assert.equal(side.ends.length, 1);
  }
  assert.notEqual(heard(whole.subarray(0, revealed)).asked, undefined);
});

test("a changed byte anywhere before the confirmation is noticed, or changes the digits", async () => {
  const whole = await wholeConversation();
  const right = heard(whole).asked!.digits;
  for (let at = 0; at < whole.length - 3; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1;
    const { asked, ends } = heard(changed);
    // A longer frame is waited for; everything else breaks.
    assert(asked === undefined && (ends[0]?.outcome === "broken" || ends.length === 0), `byte ${at}`);
    assert.notEqual(asked, right);
  }
});

test("a certificate that was not committed to is not shown to anybody", async () => {
  const [dialling] = await pair();
  const [magic, commit] = dialling.said;
  const reveal = Buffer.concat([
    Uint8Array.of(2, (32 + THERE.length) >> 8, 32 + THERE.length),
    nonce(1),
    THERE,
  ]);
  reveal[2] = (32 + THERE.length) & 0xff;
  const side = heard(Buffer.concat([magic!, commit!, reveal]));
  assert.equal(side.asked, undefined);
  assert.match((side.ends[0] as { reason: string }).reason, /not what it had committed to/);
});

test("what one has said oneself is no answer", async () => {
  const side = new Side("listens", THERE, nonce(2));
  side.speakTo(side.pairing);
  side.pairing.start();
  await settled();
  assert.equal(side.asked, undefined);
  assert.equal(side.ends[0]?.outcome, "broken");
});

for (const [what, bytes, reason] of [
  ["a web browser", Buffer.from("GET / HTTP/1.1\r\n"), /not `usbferry pair`/],
  ["a reveal before a commitment", frames([2, Buffer.alloc(40)]), /cannot come here \(type 2, 40 bytes\)/],
  ["a confirmation before everything", frames([3, Buffer.alloc(0)]), /type 3/],
  ["a second commitment", frames([1, Buffer.alloc(32)], [1, Buffer.alloc(32)]), /type 1/],
  ["a short commitment", frames([1, Buffer.alloc(31)]), /another length/],
  ["a long commitment", frames([1, Buffer.alloc(33)]), /type 1, 33 bytes/],
  ["a reveal without a nonce", frames([1, Buffer.alloc(32)], [2, Buffer.alloc(31)]), /committed/],
  [
    "a certificate that is too long",
    frames([1, Buffer.alloc(32)], [2, Buffer.alloc(5_000)]),
    /type 2, 5000 bytes/,
  ],
  ["an unknown type", frames([9, Buffer.alloc(0)]), /type 9/],
] as const) {
  test(`${what} is an end with its reason`, () => {
    const side = heard(bytes);
    assert.equal(side.ends.length, 1);
    assert.match((side.ends[0] as { reason: string }).reason, reason);
  });
}

function frames(...list: readonly (readonly [type: number, payload: Buffer])[]): Buffer {
  const bytes = list.flatMap(([type, payload]) => [
    Uint8Array.of(type, payload.length >> 8, payload.length & 0xff),
    payload,
  ]);
  return Buffer.concat([Buffer.from("usbferry pair 1\n"), ...bytes]);
}

/** A side that has committed to what it shows, whatever that is. */
function committed(der: Uint8Array): Buffer {
  const fingerprint = createHash("sha256").update(der).digest("hex");
  const commitment = createHash("sha256")
    .update(`usbferry pair 1\ndials\n${fingerprint}`)
    .update(nonce(3))
    .digest();
  return frames([1, commitment], [2, Buffer.concat([nonce(3), der])]);
}

test("what is committed to and is no certificate, or more than one, is refused", () => {
  for (const der of [new Uint8Array(0), new Uint8Array(100), Buffer.concat([HERE, HERE])]) {
    const side = heard(committed(der));
    assert.equal(side.asked, undefined);
    assert.match((side.ends[0] as { reason: string }).reason, /no certificate/);
  }
  assert.equal(heard(committed(HERE)).asked!.name, "CN=here");
});

test("nothing is shown to somebody who has not committed", () => {
  const side = heard(Buffer.from("usbferry pair 1\n"));
  assert.equal(side.said.length, 2);
  assert.equal(side.pairing.hasShown, false);
  side.pairing.receive(frames([1, Buffer.alloc(32)]).subarray(16));
  assert.equal(side.said.length, 3);
  assert.equal(side.pairing.hasShown, true);
});
