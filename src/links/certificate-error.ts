import type { X509Certificate } from "node:crypto";
import { type CertificateRefusal, fingerprintOf, nameIn, type RefusedCertificate } from "./certificate.ts";
import { LinkError } from "./link-error.ts";

/** Which end of a connection speaks: the one that dialled, or the one that listened. */
export type Side = "dialled" | "listened";

const OPENING: Readonly<Record<Side, string>> = { dialled: "cannot reach", listened: "turned away" };

const PAIR =
  "Pair the two machines: `usbferry pair --listen tcp:PORT` on one, `usbferry pair tcp:HOST:PORT` on the other, each as the user " +
  "who serves or attaches there";

/** The certificate of the peer is refused here. */
export function certificateRefused(
  side: Side,
  peer: string,
  { refusal, machine }: RefusedCertificate,
  certificate: X509Certificate | undefined,
  host = "HOST",
): LinkError {
  const name = machine === undefined ? "" : `"${machine.name}"`;
  const reasons: Readonly<Record<CertificateRefusal, string>> = {
    CERTIFICATE_ABSENT: `it shows no certificate`,
    CERTIFICATE_UNKNOWN: `its certificate (${describe(certificate)}) is not that of a paired machine`,
    CERTIFICATE_EXPIRED: `the certificate of ${name} expired on ${certificate?.validTo}`,
    CERTIFICATE_EARLY: `the certificate of ${name} is valid from ${certificate?.validFrom} on only`,
    WRONG_NAME: `the machine there is ${name}, which is not expected under this host`,
  };
  const next: Readonly<Record<CertificateRefusal, string>> = {
    CERTIFICATE_ABSENT: `Only paired machines may use this link. ${PAIR}.`,
    CERTIFICATE_UNKNOWN: `${PAIR}. If they were paired, it has a new certificate, or another machine answers in its place.`,
    CERTIFICATE_EXPIRED: `Compare the clocks. On ${name} make a new one with \`usbferry pair renew\`, then pair again.`,
    CERTIFICATE_EARLY: "Set the clock of the one that is wrong.",
    WRONG_NAME: `If ${name} may be dialled there: usbferry pair host ${machine?.name} ${host}. If not, another machine answers in its place.`,
  };
  return new LinkError(
    refusal,
    `${OPENING[side]} ${peer}: ${reasons[refusal]} (${refusal}). ${next[refusal]}`,
  );
}

const TOLD: Readonly<Record<CertificateRefusal, readonly [reason: string, next: string]>> = {
  CERTIFICATE_ABSENT: ["it says that this machine shows no certificate", `${PAIR}.`],
  CERTIFICATE_UNKNOWN: ["it does not know the certificate of this machine", `${PAIR}.`],
  CERTIFICATE_EXPIRED: [
    "it says that the certificate of this machine has expired",
    "Compare the clocks. Make a new one with `usbferry pair renew`, then pair again.",
  ],
  CERTIFICATE_EARLY: ["it says that the certificate of this machine is not valid yet", "Compare the clocks."],
  WRONG_NAME: [
    "it dialled another machine and found this one",
    "Let it dial the right host, or say there that this one is right: usbferry pair host NAME HOST.",
  ],
};

/** The peer has told that it refuses our certificate. */
export function refusedByPeer(side: Side, peer: string, refusal: CertificateRefusal): LinkError {
  const [reason, next] = TOLD[refusal];
  return new LinkError(refusal, `${OPENING[side]} ${peer}: ${reason} (${refusal}). ${next}`);
}

/** There is no TLS 1.3 connection, and so nobody to trust. */
export function tlsFailed(side: Side, peer: string, reason: string, cause?: unknown): LinkError {
  const next =
    side === "dialled"
      ? "Check that `usbferry serve --listen tls:...` or `attach --listen tls:...` runs there; plain USB/IP is dialled with tcp:."
      : "It must dial with tls: (TLS 1.3); plain USB/IP needs an address tcp: to listen at.";
  return new LinkError(
    "TLS_FAILED",
    `${OPENING[side]} ${peer}: there is no TLS 1.3 (${reason}). ${next}`,
    cause,
  );
}

/** Nobody is trusted, because it is not known who is. */
export function trustUnreadable(side: Side, peer: string, cause: Error): LinkError {
  return new LinkError(
    "TRUST_UNREADABLE",
    `${OPENING[side]} ${peer}: it cannot be read which machines are paired (TRUST_UNREADABLE). ${cause.message}`,
    cause,
  );
}

function describe(certificate: X509Certificate | undefined): string {
  if (certificate === undefined) return "none";
  const fingerprint = `SHA-256 ${fingerprintOf(certificate.raw).slice(0, 16)}...`;
  const name = nameIn(certificate);
  return name === undefined ? fingerprint : `${name}, ${fingerprint}`;
}
