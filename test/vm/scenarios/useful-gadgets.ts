import type { Scenario } from "../scenario.ts";
import { loopedSound } from "./audio.ts";
import { ext4, hostKilledWhileWriting, readOnlyDisk } from "./disk.ts";
import { ownDevice } from "./own-device.ts";
import { pointing } from "./pointing.ts";
import { serialPort } from "./serial.ts";
import { ptyBridge, tcpBridge } from "./serial-bridges.ts";

/** `short` is for every change, `full` for what a release promises, `soak` for a night. */
export type Measure = "short" | "full" | "soak";

/** The gadgets that people use, with the stock `usbip` tool and unmodified drivers on the other side. */
export function usefulGadgets(measure: Measure): Scenario[] {
  const isShort = measure === "short";
  return [
    isShort ? ext4(2, "high") : ext4(32, "super"),
    readOnlyDisk,
    pointing,
    ownDevice,
    isShort ? loopedSound(2, "full") : loopedSound(10, "high"),
    serialPort(measure === "soak" ? 1000 : 100),
    ...(isShort ? [tcpBridge] : [ptyBridge, hostKilledWhileWriting(measure === "soak" ? 20 : 1)]),
    ...(measure === "soak" ? [tcpBridge] : []),
  ];
}
