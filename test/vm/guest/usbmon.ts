/**
 * Records what the guest's kernel tells of all its buses, as Wireshark does: `node usbmon.js FILE`. The first line is
 * `{"ready":true}`; SIGTERM ends it, with the number of events that the kernel has lost as the last one.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import {
  framePacket,
  interfaceDescription,
  LARGEST_PACKET,
  PACKET_AT,
  PACKET_FRAME,
  padded,
  sectionHeader,
} from "../../../src/capture/pcapng.ts";
import { ioctl, Memory } from "./system-calls.ts";

/** linux: Documentation/usb/usbmon.rst */
const MON_IOCT_RING_SIZE = 0x9204;
const MON_IOCG_STATS = 0x80089203;
const MON_IOCX_GETX = 0x4018920a;
const RING_BYTES = 1_200 * 1024;
const HEADER = 64;
const EAGAIN = 11;
const LOOK_MS = 5;

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: usbmon.js FILE");
const monitor = openSync("/dev/usbmon0", constants.O_RDONLY | constants.O_NONBLOCK);
const file = openSync(path, "w");
if (ioctl(monitor, MON_IOCT_RING_SIZE, RING_BYTES) !== 0) throw new Error("the ring cannot have this size");

/** struct mon_bin_get: where header and data go, and how much room there is. */
const get = new Memory(24);
const packet = new Memory(LARGEST_PACKET);
get.bytes.writeBigUInt64LE(packet.address, 0);
get.bytes.writeBigUInt64LE(packet.address + BigInt(HEADER), 8);
get.bytes.writeBigUInt64LE(BigInt(LARGEST_PACKET - HEADER), 16);

const block = new Uint8Array(PACKET_FRAME + LARGEST_PACKET);
const view = new DataView(block.buffer);
writeSync(file, sectionHeader("usbmon of the guest"));
writeSync(
  file,
  interfaceDescription({ name: "usbmon0", description: "", bitsPerSecond: 0, snaplen: LARGEST_PACKET }),
);

function drain(): void {
  for (;;) {
    const result = ioctl(monitor, MON_IOCX_GETX, get);
    if (result === -EAGAIN) return;
    if (result !== 0) throw new Error(`usbmon: errno ${-result}`);
    const { bytes } = packet;
    const captured = HEADER + Math.min(bytes.readUInt32LE(36), LARGEST_PACKET - HEADER);
    const timeUs = Number(bytes.readBigInt64LE(16)) * 1e6 + bytes.readInt32LE(24);
    block.set(bytes.subarray(0, padded(captured)), PACKET_AT);
    writeSync(file, block, 0, framePacket(view, 0, timeUs, captured, captured));
  }
}

const timer = setInterval(drain, LOOK_MS);
process.on("SIGTERM", () => {
  clearInterval(timer);
  drain();
  const statistics = new Memory(8);
  ioctl(monitor, MON_IOCG_STATS, statistics);
  console.log(JSON.stringify({ lost: statistics.bytes.readUInt32LE(4) }));
  closeSync(file);
});
console.log(JSON.stringify({ ready: true }));
