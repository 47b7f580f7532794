import { DeviceEventsRequest } from "../../src/usbip/device-events.ts";
import type { PushedDevice } from "../../src/usbip/event-pdu.ts";
import type { ExportedDevice, Exports } from "../../src/usbip/exports.ts";
import { UsbipServer } from "../../src/usbip/server.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { HeldDevice } from "../support/held-device.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { requireSame, type Target } from "./target.ts";

const REQUEST = annotatedHex("0111 8e01 00000000 00000001");
const NAMES = ["a", "b", "c", "d"];

type Entry = { -readonly [K in keyof ExportedDevice]: ExportedDevice[K] };

/** A host whose devices come, go and are taken as the bytes say, and a guest that reads now and then. */
class Run {
  readonly #loop = new ManualLoop();
  readonly #entries = new Map<string, Entry>();
  readonly #view = new Map<string, PushedDevice>();
  readonly #unread: { bytes: Uint8Array; written: () => void }[] = [];
  readonly #server: UsbipServer;
  readonly #request: DeviceEventsRequest;
  #changed = (): void => {};
  #isReading = true;

  constructor() {
    const exports: Exports = {
      devices: () => this.#entries.values(),
      find: (busid) => this.#entries.get(busid),
      watch: (changed) => {
        this.#changed = changed;
        return () => {};
      },
    };
    this.#server = new UsbipServer(exports, this.#loop, {
      write: (chunks, written) => void this.#unread.push({ bytes: Buffer.concat(chunks), written }),
      end: (cause) => {
        throw new Error(`the host ends the conversation: ${String(cause)}`);
      },
      imported: () => {},
    });
    this.#request = new DeviceEventsRequest((message) => {
      if (message.kind === "failed") throw new Error(`its guest refuses: ${message.error.toString()}`);
      if (message.kind === "removed") this.#view.delete(message.busid);
      if ("device" in message) this.#view.set(message.device.busid, message.device);
    });
  }

  play(bytes: Uint8Array): void {
    // What happens before the request, too.
    const start = (bytes[0] ?? 0) % (bytes.length + 1);
    for (const [i, byte] of bytes.entries()) {
      if (i === start) this.#server.receive(REQUEST);
      this.#act(byte);
    }
    if (start === bytes.length) this.#server.receive(REQUEST);
    this.#isReading = true;
    this.#settle();
    requireSame(describe(this.#view.values()), describe(this.#offered()), "what the guest knows");
    this.#server.disconnected(() => {});
    this.#loop.settle();
    requireSame(this.#loop.timers, 0, "timers after the end");
  }

  /** Two bits choose a device, the others what becomes of it. */
  #act(byte: number): void {
    const busid = NAMES[byte & 3]!;
    const entry = this.#entries.get(busid);
    switch ((byte >> 2) & 7) {
      case 0:
      case 1:
        this.#entries.set(busid, offered(busid, byte));
        break;
      case 2:
        this.#entries.delete(busid);
        break;
      case 3:
      case 4:
        if (entry !== undefined) entry.attached = !entry.attached;
        break;
      case 5:
        this.#isReading = (byte & 0x20) !== 0;
        break;
      case 6:
        this.#loop.advance(7_000);
        break;
      default:
        this.#settle();
    }
    this.#changed();
    if ((byte & 0x80) !== 0) this.#settle();
  }

  #settle(): void {
    this.#loop.settle();
    while (this.#isReading && this.#unread.length > 0) {
      const { bytes, written } = this.#unread.shift()!;
      this.#request.receive(bytes);
      written();
      this.#loop.settle();
    }
  }

  *#offered(): Iterable<PushedDevice> {
    for (const { busid, attached, serial } of this.#entries.values()) {
      yield { busid, isFree: !attached, ...(serial !== undefined && { serial }) } as PushedDevice;
    }
  }
}

function offered(busid: string, byte: number): Entry {
  const serial = byte & 0x40 ? `serial ${byte}` : undefined;
  return { busid, path: "/x", busnum: 1, devnum: 1, device: new HeldDevice(), attached: false, serial };
}

function describe(devices: Iterable<PushedDevice>): string {
  return Array.from(devices, ({ busid, isFree, serial }) => `${busid} ${isFree} ${serial ?? ""}`)
    .toSorted()
    .join("\n");
}

/** The host's side of pushed events: whatever happens to its devices, its guest knows in the end what there is. */
export const eventPushTarget: Target = {
  name: "EventPush",
  corpus: [Uint8Array.of(0, 0x81, 0x8c, 0x88, 0x14, 0x80, 0x0c, 0x34)],
  mutant: (random) => Uint8Array.from({ length: random.below(60) }, () => random.next()),
  judge(bytes) {
    new Run().play(bytes);
    return "value";
  },
};
