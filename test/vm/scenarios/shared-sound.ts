import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ATTACH_LINES } from "../attachment.ts";
import { LOUDSPEAKER, plug, soundFile } from "../emulated-device.ts";
import { type Exporter, OWN_HOST, whileShared } from "../exporting.ts";
import { attachByCall, detachByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { hear, numberedFrames, type PacketCount, play, playable, RATE } from "../sound.ts";
import { driverBack } from "./shared-sticks.ts";

/** Frames that a packet of full speed carries. */
const PACKET_FRAMES = RATE / 1000;

/** One of two loudspeakers is shared; they play in turn, and what they play is recorded one behind the other. */
export function sharedSound(rounds: number, exporter: Exporter = OWN_HOST): Scenario {
  return {
    name: `a loudspeaker plays what a kernel sends it, ${rounds} times beside one that is not shared${exporter.words}`,
    timeoutMs: 90_000 + rounds * 30_000,
    expected: [
      ...ATTACH_LINES,
      ...exporter.lines,
      {
        pattern: /^usb usb\d+: Not yet implemented/,
        reason: "vhci_hcd has no frame number, which snd-usb-audio asks for when a stream starts",
      },
    ],
    async run(guest) {
      await guest.loadModule("snd-usb-audio", "usbmon");
      const played = numberedFrames(RATE / 2);
      await writeFile(join(guest.scratch, "played"), playable(played));
      await guest.shell("cp /scratch/played /tmp/played");
      const local = await plug(guest, LOUDSPEAKER, { controller: "xhci", port: 1 });
      const other = await plug(guest, LOUDSPEAKER, { controller: "xhci", port: 2 });
      const results: { local: PacketCount; shared: PacketCount }[] = [];
      await whileShared(guest, exporter, [other.busid], async (tcp) => {
        const { sysfsName, port } = await attachByCall(guest, `tcp:127.0.0.1:${tcp}`, other.busid);
        for (let round = 0; round < rounds; round++)
          results.push({
            local: await play(guest, local.busid, "/tmp/played"),
            shared: await play(guest, sysfsName, "/tmp/played"),
          });
        await detachByCall(guest, port);
      });
      await driverBack(guest, other.busid, "snd-usb-audio");
      await local.pull();
      await other.pull();
      for (const side of ["local", "shared"] as const) console.log(`${side}: ${printed(results, side)}`);

      const heard = await hear(soundFile(guest), played, 2 * rounds);
      console.log(`frames missing ${heard.missing}, wrong ${heard.wrong}; ${heard.gaps} gaps`);
      assert.equal(heard.wrong, 0, "frames that were not played, or not in that order");
      const errors = results.reduce((sum, each) => sum + each.local.errors + each.shared.errors, 0);
      assert.ok(
        heard.missing <= errors * PACKET_FRAMES,
        `${heard.missing} frames are missing, ${errors} packets failed`,
      );
    },
  };
}

function printed(
  results: readonly Record<"local" | "shared", PacketCount>[],
  side: "local" | "shared",
): string {
  const rates = results.map((each) => ((1000 * each[side].errors) / each[side].packets).toFixed(1));
  return `${rates.join(", ")} errors in 1,000 packets (${results.map((each) => each[side].packets).join(", ")} packets)`;
}
