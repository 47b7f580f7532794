import { readdirSync } from "node:fs";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import type { UsbDevice, UsbHost } from "../../../src/usb/device.ts";
import { EndpointMap } from "../../../src/usb/endpoint-map.ts";
import {
  createUrb,
  PACKET_WORDS,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../../src/usb/urb.ts";
import { ProtocolError } from "../../../src/wire/protocol-error.ts";
import { readHardware } from "./hardware.ts";
import { type RealSourceName, realSource } from "./real-source.ts";

/** What is kept in flight on one endpoint. */
export interface Stream {
  readonly type: keyof typeof TransferType;
  readonly endpoint: number;
  /** Bytes of a transfer, or of each isochronous packet. */
  readonly length: number;
  readonly depth: number;
  readonly packets?: number;
}

export interface Load {
  readonly configuration: number;
  readonly alternates?: readonly (readonly [interfaceNumber: number, alternate: number])[];
  readonly streams: readonly Stream[];
}

/** How a load has ended. */
export interface LoadEnd {
  /** Transfers that went well before. */
  readonly went: number;
  /** Names of TransferStatus, of all transfers that did not go well. */
  readonly statuses: readonly string[];
  readonly unplugs: number;
  /** How a transfer ends that was submitted when the device was known to be gone. */
  readonly afterwards?: string;
  /** Transfers that never ended. */
  readonly left: number;
  /** Longest time without a completion of any stream, while it went on. */
  readonly longestPauseMs: number;
}

const NAMES = new Map(Object.entries(TransferStatus).map(([name, status]) => [status as number, name]));

/** A sink that keeps a device busy until it is told to stop, or until the device is gone. */
class Busy implements UsbHost {
  readonly device: UsbDevice;
  went = 0;
  unplugs = 0;
  longestPauseMs = 0;
  readonly statuses: number[] = [];
  readonly inFlight = new Set<Urb>();
  readonly #pending = new Map<Urb, (urb: Urb) => void>();
  #lastMs = 0;
  #stopped = false;
  #gone: (() => void) | undefined;

  constructor(busid: string, source: RealSourceName) {
    this.device = realSource(source, readHardware(busid));
  }

  complete(urb: Urb): void {
    this.inFlight.delete(urb);
    const done = this.#pending.get(urb);
    if (done !== undefined) {
      this.#pending.delete(urb);
      done(urb);
      return;
    }
    const nowMs = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (urb.status !== TransferStatus.ok) {
      this.statuses.push(urb.status);
      return;
    }
    this.went++;
    if (!this.#stopped) this.#submit(urb);
  }

  unplugged(): void {
    this.unplugs++;
    this.#gone?.();
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.device.open(this, new LibuvLoop(), (refused) => {
        if (refused === undefined) resolve();
        else reject(new Error(`${refused.reason}: ${refused.message}`));
      });
    });
  }

  control(...setup: readonly number[]): Promise<Urb> {
    const urb = createUrb(0);
    urb.setup.set(setup);
    urb.length = setup[6]! | (setup[7]! << 8);
    urb.buffer = new Uint8Array(urb.length);
    urb.endpoint = urb.length > 0 ? setup[0]! & 0x80 : 0;
    return new Promise((resolve) => {
      this.#pending.set(urb, resolve);
      this.#submit(urb);
    });
  }

  start({ configuration, alternates = [], streams }: Load): void {
    const map = EndpointMap.of(this.device.descriptors, this.device.speed, configuration);
    if (map instanceof ProtocolError) throw new Error(map.message);
    for (const [number, alternate] of alternates) map.select(number, alternate);
    this.#lastMs = performance.now();
    for (const stream of streams) {
      for (let i = 0; i < stream.depth; i++) this.#submit(urbOf(stream));
    }
  }

  close(): Promise<void> {
    this.#stopped = true;
    return new Promise((resolve) => this.device.close(resolve));
  }

  gone(): Promise<void> {
    return new Promise((resolve) => {
      this.#gone = resolve;
      if (this.unplugs > 0) resolve();
    });
  }

  end(): LoadEnd {
    return {
      went: this.went,
      statuses: this.statuses.map((status) => NAMES.get(status)!),
      unplugs: this.unplugs,
      left: this.inFlight.size,
      longestPauseMs: this.longestPauseMs,
    };
  }

  #submit(urb: Urb): void {
    urb.status = TransferStatus.ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.inFlight.add(urb);
    this.device.submit(urb);
    this.device.flush();
  }
}

function urbOf({ type, endpoint, length, packets = 0 }: Stream): Urb {
  const urb = createUrb(0);
  urb.type = TransferType[type];
  urb.endpoint = endpoint;
  urb.length = packets > 0 ? packets * length : length;
  urb.buffer = new Uint8Array(urb.length);
  urb.flags = packets > 0 ? UrbFlag.isoAsap : 0;
  urb.packetCount = packets;
  urb.packets = new Int32Array(packets * PACKET_WORDS);
  for (let i = 0; i < packets; i++) urb.packets.set([i * length, length, 0, 0], i * PACKET_WORDS);
  // GET_DESCRIPTOR of the device
  if (type === "control") urb.setup.set([0x80, 6, 0, 1, 0, 0, length, 0]);
  return urb;
}

const busy = new Map<string, Busy>();

/** Opens the device, starts the load, and resolves when so many transfers went well. */
export async function startLoad(
  busid: string,
  load: Load,
  until: number,
  source: RealSourceName = "usbfs",
): Promise<void> {
  const host = new Busy(busid, source);
  busy.set(busid, host);
  await host.open();
  await setUp(host, load);
  host.start(load);
  while (host.went < until) {
    if (host.statuses.length > 0) throw new Error(`it failed: ${JSON.stringify(host.end())}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function setUp(host: Busy, { configuration, alternates = [] }: Load): Promise<void> {
  const requests = [[0, 9, configuration, 0, 0, 0, 0, 0]];
  for (const [number, alternate] of alternates) requests.push([1, 11, alternate, 0, number, 0, 0, 0]);
  for (const setup of requests) {
    const { status } = await host.control(...setup);
    if (status !== TransferStatus.ok) throw new Error(`${setup.join(" ")} ended as ${NAMES.get(status)}`);
  }
}

/** Waits until the device is gone, closes it, and tells how it went. */
export async function endOfLoad(busid: string): Promise<LoadEnd> {
  const host = busy.get(busid)!;
  busy.delete(busid);
  await host.gone();
  const { status } = await host.control(0x80, 6, 0, 1, 0, 0, 18, 0);
  await host.close();
  return { ...host.end(), afterwards: NAMES.get(status)! };
}

/** Stops the load and gives the device back. */
export async function stopLoad(busid: string): Promise<LoadEnd> {
  const host = busy.get(busid)!;
  busy.delete(busid);
  await host.close();
  return host.end();
}

/** A control request in the middle of a load; the name of its status, and how long it took. */
export async function request(
  busid: string,
  setup: readonly number[],
): Promise<{ readonly status: string; readonly tookMs: number }> {
  const startMs = performance.now();
  const { status } = await busy.get(busid)!.control(...setup);
  return { status: NAMES.get(status)!, tookMs: performance.now() - startMs };
}

/** Resets the device in the middle of a load; the name of the status. */
export function reset(busid: string): Promise<string> {
  const { device } = busy.get(busid)!;
  return new Promise((resolve) => device.reset((status) => resolve(NAMES.get(status)!)));
}

/** Starts measuring the pauses of a load anew. */
export function forgetPauses(busid: string): void {
  busy.get(busid)!.longestPauseMs = 0;
}

/** How a load goes that goes on. */
export function progress(busid: string): LoadEnd {
  return busy.get(busid)!.end();
}

/** Open descriptors of this process. */
export function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
