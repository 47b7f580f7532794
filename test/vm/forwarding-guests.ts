import { test } from "node:test";
import { ControllerProcess } from "../support/controller-process.ts";
import type { KernelName } from "./debian/preparation.ts";
import { pullAll } from "./emulated-device.ts";
import type { Guest } from "./guest.ts";
import { GuestHost } from "./guest-host.ts";
import { play, type Scenario } from "./scenario.ts";
import type { Forwarding } from "./scenarios/forwarded-devices.ts";
import { prepareTestBed } from "./test-bed.ts";

/** Everybody may have everything that is plugged in: the guest's network ends at the runner. */
const FOR_ALL = `
listen: ["tcp:0.0.0.0:3240"]
rules: [auto-bind, allow]
`;

/**
 * Runs scenarios one after the other in a VM with a virtual controller, which imports devices that QEMU emulates in another machine:
 * usbfs, a host, USB/IP, the controller, a driver.
 */
export function forwardingScenarios(
  kernel: KernelName,
  list: (forwarding: Forwarding) => readonly Scenario[],
): void {
  test(`devices of another machine at a virtual controller, Linux ${kernel}`, async (context) => {
    const bed = await prepareTestBed((line) => context.diagnostic(line));
    const controller = await ControllerProcess.start();
    try {
      const owner = await bed.boot({
        kernel: "6.12",
        name: "the owner",
        controllers: ["uhci", "ehci", "xhci"],
      });
      try {
        await owner.writeFile("/tmp/serve.yaml", FOR_ALL);
        const host = await GuestHost.start(owner, "--config", "/tmp/serve.yaml");
        const user = await bed.boot({
          kernel,
          name: "the user",
          sharedMemory: true,
          qemuArguments: controller.qemuArguments,
          modules: ["xhci-pci", "usb-storage", "sd_mod"],
        });
        try {
          const port = await owner.publish(3240);
          for (const scenario of list({ owner, host, port, controller })) {
            await context.test(scenario.name, async () => {
              try {
                await play(scenario, user);
              } finally {
                await clear(owner, controller);
              }
            });
          }
        } finally {
          await user.stop();
        }
      } finally {
        await owner.stop();
      }
    } finally {
      await controller.stop();
    }
  });
}

/** A scenario that fails leaves nothing to the next one. */
async function clear(owner: Guest, controller: ControllerProcess): Promise<void> {
  const { devices } = await controller.state();
  for (const { name } of devices) await controller.unplug(name);
  await pullAll(owner);
}
