import { test } from "node:test";
import { play } from "./scenario.ts";
import { backendKilled, backendStopped, guestDials, hostDials, vsockLoopback } from "./scenarios/links.ts";
import { prepareTestBed } from "./test-bed.ts";
import { prepareVsockBackend, VsockBackend } from "./vsock-backend.ts";

const MODULES = ["vhci-hcd", "vsock", "vsock_loopback", "vmw_vsock_virtio_transport"];
const CID = 3;

for (const kernel of ["6.1", "6.12"] as const) {
  test(`links, Linux ${kernel}`, async (context) => {
    const progress = (line: string): void => context.diagnostic(line);
    const bed = await prepareTestBed(progress);
    const backend = await VsockBackend.start(await prepareVsockBackend(progress), CID);
    const { qemuArguments } = backend;
    try {
      const guest = await bed.boot({ kernel, sharedMemory: true, qemuArguments, modules: MODULES });
      try {
        for (const scenario of [
          guestDials(backend, "guarded"),
          guestDials(backend, "direct"),
          hostDials(backend),
          vsockLoopback,
          backendStopped(backend),
          backendKilled(backend),
        ]) {
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
