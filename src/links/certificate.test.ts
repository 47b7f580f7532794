import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { machine } from "../../test/support/paired.ts";
import { certificateName, fingerprintOf, judgeCertificate, makeIdentity, nameIn } from "./certificate.ts";

const YEAR_MS = 365 * 24 * 3_600_000;

test("a new certificate is signed by its key, names the machine and is valid from yesterday on for years", async () => {
  const { key, certificate } = await makeIdentity("box");
  const read = new X509Certificate(certificate);
  const publicKey = createPublicKey(createPrivateKey(key));
  assert(read.verify(publicKey), "signed by its own key");
  assert(read.publicKey.equals(publicKey));
  assert.equal(publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.deepEqual(
    [nameIn(read), read.subjectAltName, read.issuer, read.ca],
    ["box", "DNS:box", "CN=box", false],
  );
  const [from, until] = [new Date(read.validFrom).getTime(), new Date(read.validTo).getTime()];
  assert(from < Date.now() - 3_600_000 && until > Date.now() + 19 * YEAR_MS);
  const other = new X509Certificate((await makeIdentity("box")).certificate);
  assert.notEqual(other.serialNumber, read.serialNumber);
  assert.match(read.serialNumber, /^[4-7][0-9A-F]{31}$/);
  // What `openssl x509 -fingerprint -sha256` prints, without the colons.
  assert.equal(fingerprintOf(read.raw), read.fingerprint256.replaceAll(":", "").toLowerCase());
});

test("any host name becomes one that can stand in a certificate", () => {
  assert.deepEqual(["Büro PC", "box.example", "-.-a", "", "---", "x".repeat(100)].map(certificateName), [
    "b-ro-pc",
    "box.example",
    "a",
    "usbferry",
    "usbferry",
    "x".repeat(63),
  ]);
});

test("a name that is none is not taken from a certificate", async () => {
  for (const name of ["a b", "-a", "a\nCN=box", "x".repeat(64), "é"]) {
    const { certificate } = await makeIdentity(name);
    assert.equal(nameIn(new X509Certificate(certificate)), undefined, name);
  }
});

test("a certificate is judged by its fingerprint, its time and where it was dialled", async () => {
  const [box, other] = await Promise.all([machine("box"), machine("other")]);
  const certificate = new X509Certificate(box.identity.certificate);
  const machines = [other.paired, { ...box.paired, name: "desk", hosts: ["192.0.2.7", "fe80::1"] }];
  const [, desk] = machines;
  const now = new Date();
  const years = (count: number): Date => new Date(now.getTime() + count * YEAR_MS);
  assert.deepEqual(judgeCertificate(undefined, machines, now), { refusal: "CERTIFICATE_ABSENT" });
  assert.deepEqual(judgeCertificate(certificate, [other.paired], now), { refusal: "CERTIFICATE_UNKNOWN" });
  assert.deepEqual(judgeCertificate(certificate, machines, years(21)), {
    refusal: "CERTIFICATE_EXPIRED",
    machine: desk,
  });
  assert.deepEqual(judgeCertificate(certificate, machines, years(-1)), {
    refusal: "CERTIFICATE_EARLY",
    machine: desk,
  });
  assert.equal(judgeCertificate(certificate, machines, now), desk, "who dials in has no name to be right");
  for (const host of ["desk", "DESK", "box", "192.0.2.7", "FE80::1"]) {
    assert.equal(judgeCertificate(certificate, machines, now, host), desk, host);
  }
  for (const host of ["other", "192.0.2.8", "localhost", ""]) {
    assert.deepEqual(
      judgeCertificate(certificate, machines, now, host),
      { refusal: "WRONG_NAME", machine: desk },
      host,
    );
  }
});
