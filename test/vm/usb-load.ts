import type { Guest, GuestProcess } from "./guest.ts";

const FORMAT = "-q -N -D hw:0,0 -t raw -f S16_LE -r 48000 -c 2";

/** A disk that is read from its start to its end again and again, and a sound card that plays and captures. */
export class UsbLoad {
  readonly #programs: readonly GuestProcess[];

  private constructor(programs: readonly GuestProcess[]) {
    this.#programs = programs;
  }

  /** Resolves when all of it is under way. `disk` is a block device; the guest has one sound card. */
  static async start(guest: Guest, disk: string): Promise<UsbLoad> {
    await guest.loadModule("snd-usb-audio");
    await guest.waitFor("the card", "test -c /dev/snd/pcmC0D0p && test -c /dev/snd/pcmC0D0c");
    const scripts = [
      `while dd if=${disk} of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done`,
      `arecord ${FORMAT} /dev/null 2>/dev/null`,
      `aplay ${FORMAT} /dev/zero 2>/dev/null`,
    ];
    const programs: GuestProcess[] = [];
    for (const script of scripts) programs.push(await guest.spawn(["sh", "-c", script], () => {}));
    const states = ["p", "c"].map((way) => `grep -q RUNNING /proc/asound/card0/pcm0${way}/sub0/status`);
    await guest.waitFor("sound to run", states.join(" && "));
    return new UsbLoad(programs);
  }

  /** Resolves when every program has noticed by itself that its device is gone. */
  async ended(): Promise<void> {
    await Promise.all(this.#programs.map(({ exit }) => exit));
  }
}
