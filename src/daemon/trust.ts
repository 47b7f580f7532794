import type { PairedMachine, TlsIdentity, TlsTrust } from "../links/trust.ts";
import { identityOf } from "./state/identity.ts";
import { MACHINES } from "./state/machines.ts";
import type { StateFolder } from "./state/state-folder.ts";

/**
 * Who this machine is, and whom it trusts, as the state folder says at that moment: a machine that was removed is not let in
 * any more, and needs no restart for it.
 */
export class Trust implements TlsTrust {
  readonly #folder: StateFolder;

  constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  identity(): Promise<TlsIdentity> {
    return identityOf(this.#folder);
  }

  async machines(): Promise<readonly PairedMachine[]> {
    return (await this.#folder.read(MACHINES)).machines;
  }
}
