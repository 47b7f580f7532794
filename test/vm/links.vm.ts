import { test } from "node:test";
import { play, type Scenario } from "./scenario.ts";
import {
  backendKilled,
  backendStopped,
  guestDials,
  hostDials,
  vsockConformance,
  vsockLoopback,
} from "./scenarios/links.ts";
import { prepareTestBed } from "./test-bed.ts";
import { prepareVsockBackend, VsockBackend } from "./vsock-backend.ts";

const MODULES = ["vhci-hcd", "vsock", "vsock_loopback", "vmw_vsock_virtio_transport"];

const { LINKS_KERNEL } = process.env;
for (const kernel of ["6.12", "6.1"] as const) {
  if (LINKS_KERNEL !== undefined && kernel !== LINKS_KERNEL) continue;
  test(`links, Linux ${kernel}`, async (context) => {
    const progress = (line: string): void => context.diagnostic(line);
    const bed = await prepareTestBed(progress);
    const backend = await VsockBackend.start(await prepareVsockBackend(progress), 3);
    const { qemuArguments } = backend;
    try {
      const guest = await bed.boot({ kernel, sharedMemory: true, qemuArguments, modules: MODULES });
      try {
        const list: readonly Scenario[] = [
          guestDials(backend, "guarded"),
          guestDials(backend, "direct"),
          hostDials(backend),
          vsockLoopback,
          vsockConformance,
          backendStopped(backend),
          backendKilled(backend),
        ];
        for (const scenario of list) await context.test(scenario.name, () => play(scenario, guest));
      } finally {
        await guest.stop();
      }
    } finally {
      await backend.stop();
    }
  });
}
