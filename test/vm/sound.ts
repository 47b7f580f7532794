import { readFile } from "node:fs/promises";
import type { Guest } from "./guest.ts";

export const RATE = 48_000;
export const FRAME_BYTES = 4;
/** RIFF, fmt and the head of data, as QEMU writes them. */
const WAV_HEADER_BYTES = 44;
/**
 * A device behind a slow path takes its sound slower than it should be heard. ALSA waits for the end of what is played
 * no longer than 1.1 buffers, so behind the sound stands as much silence; and where no period ends in half a buffer it
 * believes that the whole of it was played meanwhile, so periods are short.
 */
const BUFFER_MS = 1000;
const PERIOD_MS = 25;
const SILENT_FRAMES = (RATE * 1.2 * BUFFER_MS) / 1000;

/** Frames that are all different, and never silent. */
export function numberedFrames(count: number): Buffer {
  const bytes = Buffer.alloc(count * FRAME_BYTES);
  for (let frame = 0; frame < count; frame++)
    bytes.writeUInt32LE(((frame + 1) * 0x9e3779b1) >>> 0, frame * FRAME_BYTES);
  return bytes;
}

/** What came out of a loudspeaker, beside what went in. */
export interface Heard {
  /** Frames that were played and not heard. */
  readonly missing: number;
  /** Frames that were heard and not played, or not there. */
  readonly wrong: number;
  /** Stretches of silence before the last frame. */
  readonly gaps: number;
}

/** Compares a WAV file with what was played, several times over, one after the other. */
export async function hear(path: string, played: Buffer, times: number): Promise<Heard> {
  const recorded = (await readFile(path)).subarray(WAV_HEADER_BYTES);
  const positions = new Map<number, number>();
  const count = played.length / FRAME_BYTES;
  for (let i = 0; i < count; i++) positions.set(played.readUInt32LE(i * FRAME_BYTES), i);
  let [heard, wrong, gaps, wasSilent, next] = [0, 0, 0, true, 0];
  for (let at = 0; at + FRAME_BYTES <= recorded.length; at += FRAME_BYTES) {
    const frame = recorded.readUInt32LE(at);
    const isSilent = frame === 0;
    if (!isSilent) {
      const position = positions.get(frame);
      const isNextRound = position !== undefined && position < count / 10 && next > (count * 9) / 10;
      if (position === undefined || (position < next && !isNextRound)) wrong++;
      else {
        heard++;
        next = position + 1;
      }
      if (wasSilent && heard > 1) gaps++;
    }
    wasSilent = isSilent;
  }
  return { missing: times * count - heard, wrong, gaps };
}

/** The sound card that the kernel has made of a device: `0`, say. */
export async function soundCard(guest: Guest, sysfsName: string): Promise<string> {
  const folder = `/sys/bus/usb/devices/${sysfsName}:1.0/sound/card*`;
  await guest.waitFor("a sound card", `test -c /dev/snd/pcmC$(cat ${folder}/number)D0p`);
  return (await guest.shell(`cat ${folder}/number`)).trim();
}

/** The file that `play` takes. */
export function playable(frames: Buffer): Buffer {
  return Buffer.concat([frames, Buffer.alloc(SILENT_FRAMES * FRAME_BYTES)]);
}

/** What the kernel has seen of isochronous packets on a bus. */
export interface PacketCount {
  readonly packets: number;
  readonly errors: number;
}

/** Plays a file at full volume, and counts the packets on the way to the device. */
export async function play(guest: Guest, sysfsName: string, file: string): Promise<PacketCount> {
  const card = await soundCard(guest, sysfsName);
  const bus = sysfsName.split("-")[0];
  // -N: a blocking write fails after 10 s of the guest's clock, which steps under emulation.
  const format = `-N -D hw:${card},0 -t raw -f S16_LE -r ${RATE} -c 2`;
  const times = `--buffer-time=${BUFFER_MS * 1000} --period-time=${PERIOD_MS * 1000}`;
  const trace = await guest.shell(
    `amixer -q -c ${card} cset numid=3 100%
     cat /sys/kernel/debug/usb/usbmon/${bus}u > /tmp/trace &
     monitor=$!
     aplay -q ${format} ${times} ${file}; code=$?
     kill $monitor
     grep ' C Zo:' /tmp/trace
     rm /tmp/trace; exit $code`,
    { timeoutMs: 60_000 },
  );
  return countPackets(trace);
}

/** Lines of usbmon (linux: Documentation/usb/usbmon.rst): tag, time, event, address, status, packets, their results. */
function countPackets(trace: string): PacketCount {
  let [packets, errors] = [0, 0];
  for (const line of trace.split("\n")) {
    const [, , , , status = "", count = ""] = line.split(" ");
    const [, , , failed] = status.split(":");
    if (failed === undefined) continue;
    packets += Number(count);
    errors += Number(failed);
  }
  return { packets, errors };
}
