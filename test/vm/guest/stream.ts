/**
 * Reads from a bulk endpoint of the zero gadget without end, several transfers at a time:
 * `node stream.js DEVNODE`. Prints `streaming` when data flows, and how it ended.
 */
import { UsbfsDevice } from "./usbfs.ts";

const BULK_IN = 0x81;
const DEPTH = 8;
const LENGTH = 65_536;

const node = process.argv[2];
if (node === undefined) throw new Error("usage: stream.js DEVNODE");
const device = new UsbfsDevice(node);
const claimed = device.claim(0);
if (claimed !== 0) throw new Error(`CLAIMINTERFACE answers ${claimed}`);

let transfers = 0;
async function stream(): Promise<number> {
  for (;;) {
    const { status, actualLength } = await device.transfer({ type: "bulk", endpoint: BULK_IN, data: LENGTH });
    if (status !== 0 || actualLength !== LENGTH) return status;
    transfers++;
    if (transfers === 2 * DEPTH) console.log("streaming");
  }
}

const statuses = await Promise.all(Array.from({ length: DEPTH }, stream));
console.log(`ended ${statuses.join(" ")}`);
device.close();
