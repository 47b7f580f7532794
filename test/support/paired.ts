import { X509Certificate } from "node:crypto";
import { fingerprintOf, makeIdentity } from "../../src/links/certificate.ts";
import type { PairedMachine, TlsIdentity, TlsTrust } from "../../src/links/trust.ts";

/** A machine with a certificate, as it is to itself and to those that were paired with it. */
export interface TestMachine {
  readonly identity: TlsIdentity;
  readonly paired: PairedMachine;
}

export async function machine(name: string, from?: Date, until?: Date): Promise<TestMachine> {
  const identity = await makeIdentity(name, from, until);
  const fingerprint = fingerprintOf(new X509Certificate(identity.certificate).raw);
  return { identity, paired: { name, fingerprint, hosts: ["127.0.0.1"] } };
}

/** What this machine is, and whom it trusts. */
export function trusting({ identity }: TestMachine, ...machines: readonly TestMachine[]): TlsTrust {
  return {
    identity: () => Promise.resolve(identity),
    machines: () => Promise.resolve(machines.map(({ paired }) => paired)),
  };
}
