import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LibuvLoop } from "../src/daemon/libuv-loop.ts";
import { dialPlace } from "../src/daemon/place.ts";
import { HostConnection } from "../src/daemon/wslusb/host-connection.ts";
import { dial } from "../src/links/dial.ts";
import type { UsbDevice } from "../src/usb/device.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../src/usb/urb.ts";
import { startLinkHost } from "./link-host.ts";
import { BULK_ENDPOINT, SET_CONFIGURATION_3 } from "./load/talk.ts";
import { describeMachine, printMachine } from "./machine.ts";
import { median } from "./median.ts";

const BUSIDS = ["keyboard", "zero", "b", "c", "d", "e", "f", "g"] as const;

const SET_CONFIGURATION_1 = Uint8Array.of(0x00, 0x09, 1, 0, 0, 0, 0, 0);
/** GET_REPORT of the input report (HID 1.11 section 7.2.1). */
const GET_REPORT = Uint8Array.of(0xa1, 0x01, 0x00, 0x01, 0, 0, 8, 0);
const REPORT_LENGTH = 8;

const COPY_BYTES = 64 << 10;
const COPY_DEPTH = 16;
const WARM_MS = 100;

/** What else the connection carries while the keyboard is asked. */
const BURDENS = { idle: undefined, "bulk in": BULK_ENDPOINT | 0x80, "bulk out": BULK_ENDPOINT } as const;
type Burden = keyof typeof BURDENS;

/** Microseconds. */
interface RoundTrips {
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the copy. */
  readonly megabytesPerSecond: number;
}

/** A device of the far machine, and what becomes of its URBs. */
class OpenDevice {
  readonly device: UsbDevice;
  readonly #done = new Map<Urb, () => void>();

  private constructor(device: UsbDevice) {
    this.device = device;
  }

  static open(device: UsbDevice): Promise<OpenDevice> {
    const opened = new OpenDevice(device);
    const host = {
      complete: (urb: Urb) => opened.#done.get(urb)!(),
      unplugged: () => {},
    };
    return new Promise((resolve, reject) => {
      device.open(host, new LibuvLoop(), (refused) =>
        refused === undefined ? resolve(opened) : reject(new Error(refused.message)),
      );
    });
  }

  /** Submits it again and again: `done` answers whether once more. */
  repeat(urb: Urb, done: () => boolean): void {
    const submit = (): void => {
      urb.status = TransferStatus.ok;
      urb.actualLength = 0;
      urb.errorCount = 0;
      this.device.submit(urb);
      this.device.flush();
    };
    this.#done.set(urb, () => {
      if (urb.status !== TransferStatus.ok) throw new Error(`a transfer ended with status ${urb.status}`);
      if (done()) submit();
    });
    submit();
  }

  control(setup: Uint8Array, length: number): Promise<void> {
    const urb = createUrb(0);
    urb.setup.set(setup);
    urb.endpoint = setup[0]! & 0x80;
    urb.buffer = new Uint8Array(length);
    urb.length = length;
    return new Promise((resolve) => {
      this.repeat(urb, () => {
        resolve();
        return false;
      });
    });
  }
}

/** Keeps `COPY_DEPTH` transfers in flight until told to end, which resolves with what has moved. */
function copy(zero: OpenDevice, endpoint: number): () => Promise<number> {
  let moved = 0;
  let running = COPY_DEPTH;
  let isOver = false;
  let finish!: (bytes: number) => void;
  const ended = new Promise<number>((resolve) => {
    finish = resolve;
  });
  for (let i = 0; i < COPY_DEPTH; i++) {
    const urb = createUrb(i);
    urb.endpoint = endpoint;
    urb.type = TransferType.bulk;
    urb.buffer = new Uint8Array(COPY_BYTES);
    urb.length = COPY_BYTES;
    zero.repeat(urb, () => {
      moved += urb.actualLength;
      if (isOver && --running === 0) finish(moved);
      return !isOver;
    });
  }
  return () => {
    isOver = true;
    return ended;
  };
}

/** One question after the other. */
function askFor(keyboard: OpenDevice, measureMs: number): Promise<readonly number[]> {
  const urb = createUrb(0);
  urb.setup.set(GET_REPORT);
  urb.endpoint = 0x80;
  urb.buffer = new Uint8Array(REPORT_LENGTH);
  urb.length = REPORT_LENGTH;
  const tookUs: number[] = [];
  const endMs = performance.now() + measureMs;
  return new Promise((resolve) => {
    let askedMs = performance.now();
    keyboard.repeat(urb, () => {
      const nowMs = performance.now();
      tookUs.push((nowMs - askedMs) * 1_000);
      askedMs = nowMs;
      if (nowMs < endMs) return true;
      resolve(tookUs);
      return false;
    });
  });
}

/**
 * Eight devices of one host over one connection of WSL-USB: how long a keyboard takes to answer while nothing else moves, and
 * while another device moves all it can.
 */
export async function measureDevices(rounds: number, measureMs: number, isJson: boolean): Promise<string> {
  const began = describeMachine();
  const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
  const { host, answers } = await startLinkHost(join(folder, "state"), ["tcp:127.0.0.1:0"]);
  try {
    const link = await dial(dialPlace(answers[0]!.address!), {});
    const connection = new HostConnection(link, new LibuvLoop());
    await connection.greet();
    const devices: OpenDevice[] = [];
    for (const busid of BUSIDS) devices.push(await OpenDevice.open((await connection.import(busid)).device));
    const [keyboard, zero] = devices as [OpenDevice, OpenDevice];
    await keyboard.control(SET_CONFIGURATION_1, 0);
    await zero.control(SET_CONFIGURATION_3, 0);
    const measured = new Map<Burden, RoundTrips[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const [burden, endpoint] of Object.entries(BURDENS) as [Burden, number | undefined][]) {
        const beganMs = performance.now();
        const end = endpoint === undefined ? () => Promise.resolve(0) : copy(zero, endpoint);
        await askFor(keyboard, WARM_MS);
        const tookUs = (await askFor(keyboard, measureMs)).toSorted((a, b) => a - b);
        const moved = await end();
        const at = (share: number): number => tookUs[Math.floor(tookUs.length * share)]!;
        const megabytesPerSecond = moved / (performance.now() - beganMs) / 1e3;
        // The first round warms up.
        if (round === 0) measured.set(burden, []);
        else measured.get(burden)!.push({ p50Us: at(0.5), p99Us: at(0.99), megabytesPerSecond });
      }
    }
    connection.destroy({ code: "OK", reason: "everything is measured" });
    const idle = measured.get("idle")!;
    const figures = Array.from(measured, ([burden, taken]) => ({
      burden,
      p50Us: median(taken.map(({ p50Us }) => p50Us)),
      p99Us: median(taken.map(({ p99Us }) => p99Us)),
      megabytesPerSecond: median(taken.map(({ megabytesPerSecond: rate }) => rate)),
      p99OfIdle: median(taken.map(({ p99Us }, round) => p99Us / idle[round]!.p99Us)),
    }));
    if (isJson)
      return `${JSON.stringify({ began, ended: describeMachine(), rounds, measureMs, figures }, undefined, 2)}\n`;
    const lines = figures.map(
      ({ burden, p50Us, p99Us, megabytesPerSecond, p99OfIdle }) =>
        `${burden.padEnd(10)}${p50Us.toFixed(0).padStart(8)}${p99Us.toFixed(0).padStart(8)}` +
        `${p99OfIdle.toFixed(2).padStart(12)}${megabytesPerSecond.toFixed(0).padStart(8)}`,
    );
    return `${[
      printMachine(began),
      `A keyboard among ${BUSIDS.length} devices of one connection; medians of ${rounds} rounds of ${measureMs} ms.`,
      "",
      `${"".padEnd(10)}${"p50 us".padStart(8)}${"p99 us".padStart(8)}${"p99 of idle".padStart(12)}${"MB/s".padStart(8)}`,
      ...lines,
    ].join("\n")}\n`;
  } finally {
    host.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
