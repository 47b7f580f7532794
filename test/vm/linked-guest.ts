import { test } from "node:test";
import type { KernelName } from "./debian/preparation.ts";
import { play, type Scenario } from "./scenario.ts";
import { prepareTestBed } from "./test-bed.ts";
import { prepareVsockBackend, VsockBackend } from "./vsock-backend.ts";

const MODULES = ["vhci-hcd", "vsock", "vsock_loopback", "vmw_vsock_virtio_transport"];
const CID = 3;

/** Runs scenarios one after the other in one guest that has a vsock device. */
export function linkScenarios(
  kernel: KernelName,
  list: (backend: VsockBackend) => readonly Scenario[],
): void {
  test(`links, Linux ${kernel}`, async (context) => {
    const progress = (line: string): void => context.diagnostic(line);
    const bed = await prepareTestBed(progress);
    const backend = await VsockBackend.start(await prepareVsockBackend(progress), CID);
    const { qemuArguments } = backend;
    try {
      const guest = await bed.boot({ kernel, sharedMemory: true, qemuArguments, modules: MODULES });
      try {
        for (const scenario of list(backend)) {
          await context.test(scenario.name, () => play(scenario, guest));
        }
      } finally {
        await guest.stop();
      }
    } finally {
      await backend.stop();
    }
  });
}
