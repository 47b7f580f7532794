import type { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, TransferType } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { numberOf, optionOf } from "./block-options.ts";
import { BlockReader, blockTypeOf } from "./block-reader.ts";
import {
  BlockHeader,
  BlockType,
  InterfaceDescription,
  LINKTYPE_USB_LINUX_MMAPPED,
  Option,
} from "./pcapng.ts";
import { RecordedDescriptors } from "./recorded-descriptors.ts";
import { guessSpeed, speedOf } from "./recorded-speed.ts";
import { EventType } from "./usbmon.ts";
import { readPacket, type UsbmonPacket } from "./usbmon-packet.ts";

/** A control request that is none for a descriptor, and what became of it. */
export interface RecordedControl {
  readonly setup: Uint8Array;
  readonly status: TransferStatus;
  /** What the device sent. */
  readonly data: Uint8Array;
}

/** What a device had for its host. */
export interface RecordedRead {
  readonly endpoint: number;
  /** Since the host could have had it. */
  readonly waitMs: number;
  readonly status: TransferStatus;
  readonly data: Uint8Array;
  /** Of an isochronous transfer, in the place of `data`. */
  readonly packets: readonly Uint8Array[];
}

/** A device as a recording knows it. */
export interface RecordedDevice {
  readonly speed: Speed;
  readonly descriptors: RecordedDescriptors;
  /** In the order of their completion. */
  readonly controls: readonly RecordedControl[];
  readonly reads: readonly RecordedRead[];
}

/** Why a recording cannot be replayed, and what can be done. */
export class UnusableRecording {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/**
 * The device in a recording of usbmon: one of ours, or one that Wireshark made of usbmonN. `device` (`BUS.DEV`) says which where
 * there are several.
 */
export function readRecording(bytes: Uint8Array, device?: string): RecordedDevice | UnusableRecording {
  const reading = new Reading();
  const reader = new BlockReader((block) => reading.take(block));
  const wrong = reader.receive(bytes);
  if (wrong !== undefined) {
    return new UnusableRecording(
      `it cannot be read: ${wrong.message}. It has to be pcapng of a little-endian computer; \`editcap -F pcapng\` makes it of pcap.`,
    );
  }
  return reading.device(device);
}

/** A URB that was submitted and has not completed. */
interface Pending {
  readonly timeUs: number;
  readonly setup: Uint8Array | undefined;
}

/** One of the devices. */
class DeviceReading {
  readonly descriptors = new RecordedDescriptors();
  readonly controls: RecordedControl[] = [];
  readonly reads: RecordedRead[] = [];
  bitsPerSecond: number | undefined;
  readonly #pending = new Map<string, Pending>();
  /** When the last read of each endpoint ended. */
  readonly #endedUs = new Map<number, number>();

  take(packet: UsbmonPacket): void {
    const { id, timeUs, setup } = packet;
    if (packet.type === EventType.submit) {
      this.#pending.set(id, { timeUs, setup });
      return;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (packet.transferType === TransferType.control) this.#control(packet, pending?.setup);
    else if (isIn(packet.endpoint)) this.#read(packet, pending);
  }

  #control({ status, data }: UsbmonPacket, setup: Uint8Array | undefined): void {
    if (setup === undefined) return;
    if (!this.descriptors.take(setup, status, data)) this.controls.push({ setup, status, data });
  }

  #read({ endpoint, timeUs, status, data, packets }: UsbmonPacket, pending: Pending | undefined): void {
    const { cancelled, disconnected } = TransferStatus;
    // What the host took back says nothing of the device.
    if ((status === cancelled || status === disconnected) && data.length === 0) return;
    const sinceUs = Math.max(pending?.timeUs ?? timeUs, this.#endedUs.get(endpoint) ?? 0);
    this.#endedUs.set(endpoint, timeUs);
    this.reads.push({ endpoint, waitMs: Math.max(timeUs - sinceUs, 0) / 1000, status, data, packets });
  }
}

class Reading {
  readonly #devices = new Map<string, DeviceReading>();
  /** By interface of the present section: bits per second, or nothing if it has another link type. */
  #interfaces: (number | "unknown" | undefined)[] = [];

  take(block: Uint8Array): void {
    switch (blockTypeOf(block)) {
      case BlockType.SECTION_HEADER:
        this.#interfaces = [];
        break;
      case BlockType.INTERFACE_DESCRIPTION:
        this.#addInterface(block);
        break;
      case BlockType.ENHANCED_PACKET:
        this.#addPacket(block);
        break;
    }
  }

  device(wanted: string | undefined): RecordedDevice | UnusableRecording {
    const whole = Array.from(this.#devices).filter(([, { descriptors }]) => descriptors.isWhole);
    const names = whole.map(([name]) => name);
    if (whole.length === 0) {
      const found = this.#devices.size;
      return new UnusableRecording(
        found === 0
          ? "it has no packet of usbmon (link type 220). Record with `usbferry capture`, or with Wireshark from usbmonN."
          : "nobody reads the descriptors of a device in it. Record with `usbferry capture`, or plug the device in while you record.",
      );
    }
    const [, chosen] =
      whole.find(([name]) => name === wanted) ?? (wanted === undefined ? whole : [])[0] ?? [];
    if (chosen === undefined || (wanted === undefined && whole.length > 1)) {
      return new UnusableRecording(
        `it has the device${names.length > 1 ? "s" : ""} ${names.join(", ")}: say which with device=${names[0]}`,
      );
    }
    const { descriptors, controls, reads, bitsPerSecond } = chosen;
    const error = descriptors.fault;
    if (error instanceof ProtocolError) {
      return new UnusableRecording(`the device in it describes itself wrongly: ${error.message}`);
    }
    return { speed: speedOf(bitsPerSecond) ?? guessSpeed(descriptors), descriptors, controls, reads };
  }

  #addInterface(block: Uint8Array): void {
    const isOurs =
      block.length >= BlockHeader.size + InterfaceDescription.size + 4 &&
      InterfaceDescription.linktype(block, BlockHeader.size) === LINKTYPE_USB_LINUX_MMAPPED;
    const resolution = optionOf(block, InterfaceDescription.size, Option.if_tsresol)?.[0];
    const isReadable = isOurs && (resolution === undefined || resolution === 6);
    const speed = numberOf(block, InterfaceDescription.size, Option.if_speed);
    this.#interfaces.push(isReadable ? (speed ?? "unknown") : undefined);
  }

  #addPacket(block: Uint8Array): void {
    const packet = readPacket(block);
    const found = packet === undefined ? undefined : this.#interfaces[packet.interfaceId];
    if (packet === undefined || found === undefined) return;
    let device = this.#devices.get(packet.device);
    if (device === undefined) {
      device = new DeviceReading();
      this.#devices.set(packet.device, device);
    }
    if (found !== "unknown") device.bitsPerSecond = found;
    device.take(packet);
  }
}
