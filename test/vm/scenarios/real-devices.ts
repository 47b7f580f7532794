import type { Scenario, ScenarioBoot } from "../scenario.ts";
import { flashedBoard } from "./flashed-board.ts";
import { sharedKinds } from "./shared-kinds.ts";
import { sharedSound } from "./shared-sound.ts";
import { type Sticks, sticks } from "./shared-sticks.ts";
import { twoGuests } from "./two-guests.ts";

/** What QEMU gives the guests of these scenarios. */
export const REAL_DEVICES_BOOT: ScenarioBoot = {
  controllers: ["uhci", "ehci", "xhci"],
  modules: ["vhci-hcd"],
};

/** Devices of a machine, through the whole path: usbfs, a host, an agent, a kernel. */
export function realDevices(counts: {
  readonly sticks: Sticks;
  readonly soundRounds: number;
  readonly flashes: number;
}): Scenario[] {
  return [
    sticks(counts.sticks),
    sharedKinds(),
    sharedSound(counts.soundRounds),
    flashedBoard(counts.flashes),
    twoGuests(counts.sticks.uhci),
  ];
}
