import { closeSync } from "node:fs";
import { Speed } from "../../../src/usb/speed.ts";
import { Vhci } from "../../../src/vhci/vhci.ts";
import { VhciError } from "../../../src/vhci/vhci-error.ts";
import { socketpair } from "./system-calls.ts";

const ours: number[] = [];

/** Takes every port for devices of super speed, each with a connection whose other side says nothing. */
export function fillPorts(): number {
  const vhci = new Vhci();
  for (;;) {
    const [kernelEnd, ourEnd] = socketpair();
    ours.push(ourEnd);
    try {
      vhci.attach(kernelEnd, vhci.unusedDevid(), Speed.super);
    } catch (error) {
      if (error instanceof VhciError && error.code === "NO_FREE_PORT") return ours.length - 1;
      throw error;
    } finally {
      closeSync(kernelEnd);
    }
  }
}

export function emptyPorts(): void {
  for (const fd of ours.splice(0)) closeSync(fd);
}
