import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { UsbfsDevice } from "./usbfs.ts";

/** What a host is asked for by one program in the guest; the endpoints are those of the zero gadget. */
export type OneTransfer = "in" | "out" | "iso";

const ISO_PACKETS = [100, 100, 100];
const ISO_ALTERNATE = 1;

/** One transfer; its status, and how many bytes came. */
export async function transferOnce(
  node: string,
  kind: OneTransfer,
): Promise<[status: number, length: number]> {
  const device = claimed(node, kind);
  const transfer =
    kind === "iso"
      ? { type: "isochronous", endpoint: 0x82, data: 300, packets: ISO_PACKETS, flags: 2 /* ISO_ASAP */ }
      : kind === "in"
        ? { type: "bulk", endpoint: 0x81, data: 512 }
        : { type: "bulk", endpoint: 0x01, data: new Uint8Array(512) };
  const { status, actualLength } = await device.transfer(transfer as Parameters<typeof device.transfer>[0]);
  // Closing a device that is just going would ask it for its first alternate setting, and vhci logs that.
  if (status !== 0) for (let tries = 0; tries < 250 && existsSync(node); tries++) await sleep(20);
  device.close();
  return [status, actualLength];
}

/** Discards a read; its status, and how long discarding took by this guest's clock. */
export async function cancelOnce(node: string): Promise<[status: number, tookMs: number]> {
  const device = claimed(node, "in");
  const read = device.submit({ type: "bulk", endpoint: 0x81, data: 512 });
  const startMs = performance.now();
  read.discard();
  const { status } = await read.completed;
  const tookMs = performance.now() - startMs;
  device.close();
  return [status, tookMs];
}

function claimed(node: string, kind: OneTransfer): UsbfsDevice {
  const device = new UsbfsDevice(node);
  const answer = device.claim(0);
  if (answer !== 0) throw new Error(`CLAIMINTERFACE answers ${answer}`);
  if (kind === "iso") device.selectAlternate(0, ISO_ALTERNATE);
  return device;
}
