import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import { UsbfsDevice } from "../../../src/hardware/usbfs/usbfs-device.ts";
import type { UsbHost } from "../../../src/usb/device.ts";
import { createUrb, type Urb } from "../../../src/usb/urb.ts";
import { sayAt } from "../../support/hotplug-client.ts";
import { readHardware } from "./hardware.ts";

const ATTACH = 0;
const NOBODY = 65534;
const GET_DEVICE_DESCRIPTOR = [0x80, 6, 0, 1, 0, 0, 18, 0];

/** Opens the node of a device as this user, hands it over as that of bus `bus`, and answers what is said of it. */
export async function handOver(path: string, busid: string, bus?: number): Promise<number[]> {
  const { node, busnum, devnum } = readHardware(busid);
  const fd = openSync(node, "r+");
  try {
    return await sayAt(path, [ATTACH, bus ?? busnum, devnum], [fd]);
  } finally {
    closeSync(fd);
  }
}

/** A request without a descriptor. */
export function ask(path: string, bytes: readonly number[]): Promise<number[]> {
  return sayAt(path, bytes);
}

/** Reads the device descriptor of a device through a node that was opened before, twice: it stays open. */
export async function readThroughOpened(busid: string): Promise<void> {
  const hardware = readHardware(busid);
  const opened = openSync(hardware.node, "r+");
  for (let life = 0; life < 2; life++) {
    const device = new UsbfsDevice(hardware, { opened });
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const read = await readDescriptor(device);
    assert.deepEqual(read, hardware.descriptors.slice(0, 18));
  }
  closeSync(opened);
}

async function readDescriptor(device: UsbfsDevice): Promise<Uint8Array> {
  let completed!: (urb: Urb) => void;
  const read = new Promise<Urb>((resolve) => {
    completed = resolve;
  });
  const host: UsbHost = { complete: completed, unplugged: () => {} };
  await new Promise<void>((resolve, reject) => {
    device.open(host, new LibuvLoop(), (refused) => {
      if (refused === undefined) resolve();
      else reject(new Error(refused.message));
    });
  });
  const urb = createUrb(0);
  urb.endpoint = 0x80;
  urb.setup.set(GET_DEVICE_DESCRIPTOR);
  urb.buffer = new Uint8Array(18);
  urb.length = 18;
  device.submit(urb);
  device.flush();
  const { buffer, offset, actualLength, status } = await read;
  assert.equal(status, 0);
  await new Promise<void>((resolve) => device.close(resolve));
  return buffer.slice(offset, offset + actualLength);
}

/** Runs in the guest as a program: usbferry with these words, as a user who may open no device. */
const [, program, ...words] = process.argv;
if (program?.endsWith("hand-over.js") === true) {
  process.setgroups!([]);
  process.setgid!(NOBODY);
  process.setuid!(NOBODY);
  process.argv = [process.argv[0]!, "usbferry", ...words];
  await import("../../../src/cli/main.ts");
}
