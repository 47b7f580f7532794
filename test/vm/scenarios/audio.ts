import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ATTACH_LINES, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import type { Guest } from "../guest.ts";
import type { ExpectedLine } from "../kernel-log.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";
import { FRAME_BYTES, numberedFrames, RATE } from "../sound.ts";

/**
 * Where a program of the guest, which runs without hardware virtualisation, gets no time for longer than this, ALSA plays what was
 * played before, or overwrites what was recorded.
 */
const BUFFER_MS = 4000;
const PERIOD_MS = 250;
/** A tenth of a second. While both streams start, packets may be lost: at the beginning, or some behind it. */
const FIRST_BYTES = (RATE / 10) * FRAME_BYTES;

export const SOUND_LINES: readonly ExpectedLine[] = [
  {
    pattern: /^usb usb\d+: Not yet implemented/,
    reason: "vhci_hcd has no frame number, which snd-usb-audio asks for when a stream starts",
  },
];

/** Sound that an attached card is made to play through snd-usb-audio comes back sample by sample. */
export async function playAndCapture(guest: Guest, seconds: number): Promise<void> {
  const played = numberedFrames(seconds * RATE);
  await writeFile(join(guest.scratch, "played"), played);
  await guest.loadModule("snd-usb-audio");
  await guest.waitFor("the card", "test -c /dev/snd/pcmC0D0p && test -c /dev/snd/pcmC0D0c");
  // -N: a blocking read fails after 10 s of the guest's clock, which steps under emulation.
  const format = `-N -D hw:0,0 -t raw -f S16_LE -r ${RATE} -c 2`;
  const times = `--fatal-errors --buffer-time=${BUFFER_MS * 1000} --period-time=${PERIOD_MS * 1000}`;
  await guest.shell("cp /scratch/played /tmp/played");
  await guest.shell(
    `arecord -q ${format} ${times} -s ${seconds * RATE} /tmp/captured 2>/tmp/arecord &
     recorder=$!
     while ! grep -q RUNNING /proc/asound/card0/pcm0c/sub0/status; do usleep 10000; done
     aplay -q ${format} ${times} /tmp/played && wait $recorder || { cat /tmp/arecord >&2; exit 1; }`,
    { timeoutMs: 90_000 + seconds * 4000 },
  );
  const captured = await guest.readFile("/tmp/captured");
  assert.ok(
    isInOrder(played, captured.subarray(0, FIRST_BYTES)),
    "the first packets are of what was played, in order",
  );
  const start = played.indexOf(captured.subarray(FIRST_BYTES, FIRST_BYTES + 64));
  assert.ok(
    start >= FIRST_BYTES && start <= 2 * FIRST_BYTES,
    `behind the first packets stands byte ${start}`,
  );
  const expected = played.subarray(start, start + captured.length - FIRST_BYTES);
  assert.equal(firstDifference(expected, captured.subarray(FIRST_BYTES)), undefined);
  assert.ok(expected.length >= played.length - 2 * FIRST_BYTES, `${expected.length} bytes`);
}

/** Whether all these frames were played, each behind the one before it. */
function isInOrder(played: Buffer, frames: Buffer): boolean {
  let behind = 0;
  for (let at = 0; at < frames.length; at += FRAME_BYTES) {
    const found = played.indexOf(frames.subarray(at, at + FRAME_BYTES), behind);
    if (found < 0 || found > 2 * FIRST_BYTES) return false;
    behind = found + FRAME_BYTES;
  }
  return true;
}

/** Where a recording leaves what was played, and what was recorded from there on. */
function firstDifference(expected: Buffer, captured: Buffer): string | undefined {
  const at = expected.findIndex((byte, i) => captured[i] !== byte);
  if (at < 0) return undefined;
  const from = at - (at % FRAME_BYTES);
  const heard = captured.subarray(from, from + 4 * FRAME_BYTES);
  const next = expected.indexOf(heard);
  const place = next < 0 ? "which was not played" : `which was played as byte ${next}`;
  return `byte ${at} of ${captured.length} differs: there is ${heard.toString("hex")}, ${place}`;
}

/** The same with a card of a host of its own. */
export function loopedSound(seconds: number, speed: "full" | "high", way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `${seconds} s of sound at ${speed} speed are captured as they were played${way.words}`,
    timeoutMs: 60_000 + seconds * 5000,
    expected: [...ATTACH_LINES, ...SOUND_LINES],
    async run(guest) {
      const host = await ServedHost.start({ audio: `audio,speed=${speed},serial=audio` });
      try {
        await way.attach(guest, host.port, ["audio"]);
        await playAndCapture(guest, seconds);
        await way.detachAll(guest);
      } finally {
        await host.stop();
      }
    },
  };
}
