import assert from "node:assert/strict";
import { Zero } from "../../../src/gadgets/zero.ts";
import type { OpenError, UsbDevice, UsbHost } from "../../../src/usb/device.ts";
import type { Loop } from "../../../src/usb/loop.ts";
import { TransferStatus, TransferType, type Urb } from "../../../src/usb/urb.ts";
import { ATTACH_LINES, attach, detachAll } from "../attachment.ts";
import type { LoadEnd } from "../guest/device-load.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const LOAD = "test/vm/guest/device-load.js";
const SET_INTERFACE = 0x010b;

/** A device that does not answer some of its control requests, until it is told to. */
class MuteZero implements UsbDevice {
  readonly #zero = new Zero({ serial: "mute" });
  readonly speed = this.#zero.speed;
  readonly #held: Urb[] = [];
  readonly #cancelled: Urb[] = [];
  #host: UsbHost | undefined;
  /** Which requests, by bmRequestType and bRequest. */
  isMute: (request: number) => boolean = () => false;
  /** How many came that are not answered. */
  asked = 0;

  get descriptors(): Uint8Array {
    return this.#zero.descriptors;
  }

  get configuration(): number {
    return this.#zero.configuration;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    this.#host = host;
    this.#zero.open(host, loop, done);
  }

  submit(urb: Urb): void {
    if (urb.type === TransferType.control && this.isMute((urb.setup[0]! << 8) | urb.setup[1]!)) {
      this.asked++;
      this.#held.push(urb);
    } else {
      this.#zero.submit(urb);
    }
  }

  cancel(urb: Urb): void {
    const at = this.#held.indexOf(urb);
    if (at < 0) this.#zero.cancel(urb);
    else this.#cancelled.push(...this.#held.splice(at, 1));
  }

  flush(): void {
    this.#zero.flush();
    this.#end();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#zero.reset(done);
  }

  close(done: () => void): void {
    this.#cancelled.push(...this.#held.splice(0));
    this.#end();
    this.#zero.close(done);
  }

  #end(): void {
    for (const urb of this.#cancelled.splice(0)) {
      urb.status = TransferStatus.cancelled;
      this.#host!.complete(urb);
    }
  }
}

const BULK = {
  configuration: 3,
  streams: [{ type: "bulk", endpoint: 0x81, length: 512, depth: 4 }],
};

const GET_DESCRIPTOR = 0x8006;

/** How long Linux waits for the answer to either: so long the call holds the lock of its device. */
const HANG_MS = 5_000;

export const usbfsHang: Scenario = {
  name: "a device whose SET_INTERFACE or reset hangs does not delay another one of the same process",
  expected: [
    ...ATTACH_LINES,
    {
      pattern: /usb .*: device descriptor read\/\d+, error -110/,
      reason: "the reset that hangs, given up and tried again",
    },
  ],
  timeoutMs: 180_000,
  async run(guest) {
    const mute = new MuteZero();
    const host = await ServedHost.start({ mute, well: "zero,serial=well" });
    try {
      const [well, other] = (await attach(guest, host.port, ["well", "mute"])).map((a) => a.sysfsName);
      await guest.call(LOAD, "startLoad", [well, BULK, 20]);
      const begin = () => guest.call(LOAD, "startLoad", [other, BULK, 20], 60_000);
      const hanging = async (request: number, act: () => Promise<unknown>): Promise<void> => {
        mute.isMute = (asked) => asked === request;
        const startMs = performance.now();
        await guest.call(LOAD, "forgetPauses", [well]);
        await act();
        const tookMs = performance.now() - startMs;
        const { longestPauseMs } = (await guest.call(LOAD, "progress", [well])) as LoadEnd;
        mute.isMute = () => false;
        console.log(
          `hung for ${Math.round(tookMs)} ms, the other device paused for ${Math.round(longestPauseMs)} ms`,
        );
        assert(tookMs > HANG_MS * 0.9, `${tookMs} ms is no hang`);
        assert(longestPauseMs < HANG_MS / 4, `the other device paused for ${longestPauseMs} ms`);
      };
      const setInterface = () => guest.call(LOAD, "request", [other, [1, 11, 1, 0, 0, 0, 0, 0]], 60_000);

      await begin();
      await hanging(SET_INTERFACE, async () => {
        const hung = setInterface();
        // The kernel has given up, and the device itself is asked.
        await guest.waitFor("the request to come twice", () => mute.asked === 2);
        await guest.call(LOAD, "stopLoad", [other], 60_000);
        assert.equal(((await hung) as { status: string }).status, "cancelled");
      });

      await begin();
      mute.asked = 0;
      await hanging(SET_INTERFACE, async () => {
        void setInterface();
        await guest.waitFor("the request to come", () => mute.asked > 0);
        // Closing waits for the call that hangs.
        await guest.call(LOAD, "stopLoad", [other], 60_000);
      });

      await begin();
      mute.asked = 0;
      await hanging(GET_DESCRIPTOR, async () => {
        const reset = guest.call(LOAD, "reset", [other], 60_000);
        await guest.waitFor("the request to come", () => mute.asked > 0);
        mute.isMute = () => false;
        assert.equal(await reset, "ok");
      });
      await guest.call(LOAD, "stopLoad", [other], 60_000);
      const end = (await guest.call(LOAD, "stopLoad", [well])) as LoadEnd;
      assert.deepEqual([end.left, end.statuses.filter((status) => status !== "cancelled")], [0, []]);
    } finally {
      await detachAll(guest);
      await host.stop();
    }
  },
};
