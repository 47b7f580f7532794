import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import type { PairedMachine, TlsIdentity } from "./trust.ts";

/** Long, because a pin does not get safer by being renewed, and a forgotten renewal takes a device away. */
const VALID_YEARS = 20;
/** A machine whose clock is behind still takes a new certificate. */
const EARLIER_MS = 24 * 3_600_000;
const NAME_CHARACTERS = 63;
const SERIAL_BYTES = 16;
const COMMON_NAME = "2.5.4.3";
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** Makes a key (P-256) and a certificate that is signed with it. `name` is what others read in it. */
export async function makeIdentity(
  name: string,
  from = new Date(Date.now() - EARLIER_MS),
  until = yearsAfter(from, VALID_YEARS),
): Promise<TlsIdentity> {
  // Loaded here: who has an identity does not need it.
  const [{ AsnConvert, OctetString }, x509] = await Promise.all([
    import("@peculiar/asn1-schema"),
    import("@peculiar/asn1-x509"),
  ]);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signatureAlgorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const subject = new x509.Name([
    new x509.RelativeDistinguishedName([
      new x509.AttributeTypeAndValue({
        type: COMMON_NAME,
        value: new x509.AttributeValue({ utf8String: name }),
      }),
    ]),
  ]);
  const serial = randomBytes(SERIAL_BYTES);
  // Positive and of full length (RFC 5280 §4.1.2.2).
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const extension = (extnID: string, critical: boolean, value: unknown) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  const names = new x509.SubjectAlternativeName([new x509.GeneralName({ dNSName: name })]);
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: arrayOf(serial),
    signature: signatureAlgorithm,
    issuer: subject,
    subject,
    validity: new x509.Validity({ notBefore: from, notAfter: until }),
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: "spki", format: "der" }),
      x509.SubjectPublicKeyInfo,
    ),
    extensions: new x509.Extensions([
      extension(x509.id_ce_subjectAltName, false, names),
      extension(x509.id_ce_basicConstraints, true, new x509.BasicConstraints({ cA: false })),
    ]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey);
  const certificate = new x509.Certificate({
    tbsCertificate,
    signatureAlgorithm,
    signatureValue: arrayOf(signature),
  });
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    certificate: new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))).toString(),
  };
}

/** What can stand in a certificate as the name of a machine, made of any text. */
export function certificateName(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, "-")
    .replace(/^[.-]+/, "");
  return name === "" ? "usbferry" : name.slice(0, NAME_CHARACTERS);
}

/** The name that stands in a certificate; nothing if that is none. */
export function nameIn(certificate: X509Certificate): string | undefined {
  const [, name] = /^CN=([A-Za-z0-9][A-Za-z0-9.-]{0,62})$/m.exec(certificate.subject) ?? [];
  return name;
}

/** SHA-256 of a certificate (DER), in hexadecimal. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

/** Why a certificate is refused. Each is a code of errors, and a word of the verdict that the peer is told. */
export const CERTIFICATE_REFUSALS = [
  "CERTIFICATE_ABSENT",
  "CERTIFICATE_UNKNOWN",
  "CERTIFICATE_EXPIRED",
  "CERTIFICATE_EARLY",
  "WRONG_NAME",
] as const;
export type CertificateRefusal = (typeof CERTIFICATE_REFUSALS)[number];

/** A certificate that is not trusted. */
export interface RefusedCertificate {
  readonly refusal: CertificateRefusal;
  /** The paired machine whose it is, if it is one's. */
  readonly machine?: PairedMachine;
}

/**
 * Whose certificate this is, or why it is refused. That the peer has its key is what TLS proves. `host` is where it was
 * dialled; who is dialled by one name must not be another paired machine.
 */
export function judgeCertificate(
  certificate: X509Certificate | undefined,
  machines: readonly PairedMachine[],
  now: Date,
  host?: string,
): PairedMachine | RefusedCertificate {
  if (certificate === undefined) return { refusal: "CERTIFICATE_ABSENT" };
  const fingerprint = fingerprintOf(certificate.raw);
  const machine = machines.find((paired) => paired.fingerprint === fingerprint);
  if (machine === undefined) return { refusal: "CERTIFICATE_UNKNOWN" };
  if (now > new Date(certificate.validTo)) return { refusal: "CERTIFICATE_EXPIRED", machine };
  if (now < new Date(certificate.validFrom)) return { refusal: "CERTIFICATE_EARLY", machine };
  if (host !== undefined && !hostsOf(machine, certificate).includes(host.toLowerCase())) {
    return { refusal: "WRONG_NAME", machine };
  }
  return machine;
}

/** Where a machine may be dialled. */
function hostsOf({ name, hosts }: PairedMachine, certificate: X509Certificate): readonly string[] {
  const own = nameIn(certificate);
  return [name, ...hosts, ...(own === undefined ? [] : [own])].map((host) => host.toLowerCase());
}

function yearsAfter(from: Date, years: number): Date {
  const until = new Date(from);
  until.setUTCFullYear(from.getUTCFullYear() + years);
  return until;
}

function arrayOf({ buffer, byteOffset, length }: Uint8Array): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
}
