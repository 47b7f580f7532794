import { join, resolve } from "node:path";
import { checkoutArchive } from "./checkout-archive.ts";
import { cacheFolder, KERNELS, type KernelName, type Progress, prepareBed } from "./debian/preparation.ts";
import { Userland } from "./debian/userland.ts";
import { Guest } from "./guest.ts";
import { Machine, type MachineOptions, type MachineShares } from "./machine.ts";
import { nodeRuntime } from "./node-runtime.ts";
import { CONTROLLERS } from "./usb-controllers.ts";

export interface BootOptions extends MachineOptions {
  /** To load before `boot` resolves. */
  readonly modules?: readonly string[];
  /** A guest whose agent is silent for longer counts as hung. Default 20 s. */
  readonly answerTimeoutMs?: number;
}

/** Real kernels to boot, with this checkout and this node inside. */
export class TestBed {
  readonly kernels: readonly KernelName[] = KERNELS;
  readonly #shares: MachineShares;

  constructor(shares: MachineShares) {
    this.#shares = shares;
  }

  async boot(options: BootOptions): Promise<Guest> {
    const guest = await Guest.of(
      await Machine.start(options, this.#shares),
      options.answerTimeoutMs ?? 20_000,
    );
    try {
      const drivers = (options.controllers ?? []).map((name) => CONTROLLERS[name].module);
      await guest.loadModule(...drivers, ...(options.modules ?? []));
    } catch (error) {
      await guest.stop();
      throw error;
    }
    return guest;
  }
}

/** dist/test/vm -> the checkout */
const REPOSITORY = resolve(import.meta.dirname, "../../..");

/**
 * Brings everything that guests need into the cache, on the first call of the day at most. Rejects with one sentence
 * for a person where this machine cannot have a test bed.
 */
export async function prepareTestBed(progress: Progress = () => {}): Promise<TestBed> {
  const bed = await prepareBed(cacheFolder(), progress);
  const node = await nodeRuntime(bed, new Userland(join(bed, "debian")));
  return new TestBed({ bed, node, repo: await checkoutArchive(REPOSITORY) });
}
