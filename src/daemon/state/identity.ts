import { X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type Static, Type } from "@sinclair/typebox";
import { certificateName, makeIdentity } from "../../links/certificate.ts";
import type { TlsIdentity } from "../../links/trust.ts";
import { Failed } from "../failure.ts";
import { type StateFolder, StateHeld } from "./state-folder.ts";
import type { StateKind } from "./state-store.ts";

const IdentitySchema = Type.Object(
  {
    version: Type.Literal(1),
    key: Type.String({ description: "a private key in PEM" }),
    certificate: Type.String({ description: "a certificate in PEM" }),
  },
  { additionalProperties: false, description: "a document with version, key and certificate" },
);
type IdentityState = Static<typeof IdentitySchema>;

/** Of two processes that need the first one at the same time, one makes it. */
const HELD_MS = 5_000;
const HELD_LOOK_MS = 50;

export const IDENTITY: StateKind<IdentityState> = {
  file: "identity.json",
  version: 1,
  schema: IdentitySchema,
  empty: { version: 1, key: "", certificate: "" },
  check(document) {
    try {
      void new X509Certificate(document.value.certificate);
    } catch {
      throw document.refusal(["certificate"], "this is no certificate");
    }
  },
};

/** Key and certificate of this machine, made when they are needed first. Rejects with Failed. */
export async function identityOf(folder: StateFolder): Promise<TlsIdentity> {
  const { key, certificate } = await kept(folder);
  const { validTo } = new X509Certificate(certificate);
  if (new Date() > new Date(validTo)) {
    throw new Failed(
      `the certificate of this machine (${folder.fileOf(IDENTITY)}) expired on ${validTo}. Make a new one with ` +
        "`usbferry pair renew`, then pair again with every other machine.",
    );
  }
  return { key, certificate };
}

/** Makes others in their place: the machines that were paired do not know this one any more. */
export function renewIdentity(folder: StateFolder): Promise<TlsIdentity> {
  return make(folder, () => true);
}

async function kept(folder: StateFolder): Promise<TlsIdentity> {
  const found = await folder.read(IDENTITY);
  return found.certificate === "" ? make(folder, ({ certificate }) => certificate === "") : found;
}

async function make(folder: StateFolder, isNeeded: (found: IdentityState) => boolean): Promise<TlsIdentity> {
  const { store, close } = await openOnceFree(folder);
  try {
    if (!isNeeded(store.value)) return store.value;
    const identity = await makeIdentity(certificateName(hostname()));
    return await store.change(() => ({ version: 1, ...identity }));
  } finally {
    await close();
  }
}

async function openOnceFree(folder: StateFolder): ReturnType<typeof folder.open<IdentityState>> {
  const endMs = performance.now() + HELD_MS;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the lock can only be asked for again
      return await folder.open(IDENTITY);
    } catch (error) {
      if (!(error instanceof StateHeld) || performance.now() > endMs) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await sleep(HELD_LOOK_MS);
  }
}
