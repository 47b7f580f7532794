import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";
import { repeatable } from "./repeatable.ts";

const INSTEAD = "Give a device to a VM by USB/IP: `usbferry serve` here, `usbip attach` in the VM.";

export function addController(root: Command): void {
  const controller = root
    .command("controller")
    .description("a virtual xHCI controller for one VM, over vfio-user (not built yet)")
    .option("--socket-path <PATH>", "the unix socket where the VMM connects")
    .option("--fd <N>", "an open socket to the VMM")
    .option("--device <DEV>", "plug in this device, may be repeated", repeatable)
    .option("--gadget <SPEC>", "plug in a simulated device, may be repeated", repeatable)
    .option("--control <PATH>", "the unix socket for plug, unplug and list")
    .action(notBuilt("controller", INSTEAD));
  for (const [name, description] of [
    ["list", "what is plugged in"],
    ["plug", "plug in while the VM runs"],
    ["unplug", "take away while the VM runs"],
  ] as const) {
    controller
      .command(name)
      .description(`${description} (not built yet)`)
      .argument(name === "list" ? "[DEV|SPEC]" : "<DEV|SPEC>", "a device or a gadget")
      .requiredOption("--control <PATH>", "the control socket of the controller")
      .action(notBuilt(`controller ${name}`, INSTEAD));
  }
}
