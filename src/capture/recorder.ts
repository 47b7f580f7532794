import { endpointSlot } from "../usb/endpoint-slot.ts";
import type { Urb } from "../usb/urb.ts";
import type { PacketRing } from "./packet-ring.ts";
import { framePacket, LARGEST_PACKET, PACKET_AT, PACKET_FRAME, padded } from "./pcapng.ts";
import { type BusPlace, UrbPacket } from "./urb-packet.ts";
import { EventType } from "./usbmon.ts";

/** What of a device is recorded, as plain data: it may travel between threads. */
export interface CaptureRequest extends BusPlace {
  /** Bytes of each packet, its header included; `LARGEST_PACKET` at most. */
  readonly snaplen: number;
  /** A bit for each `endpointSlot`. */
  readonly endpoints: number;
}

export const ALL_ENDPOINTS = -1;

/** The bits of an endpoint address; 0 is the control endpoint, in both directions. */
export function endpointBits(address: number): number {
  const bit = 1 << endpointSlot(address);
  return address === 0 ? bit | (1 << endpointSlot(0x80)) : bit;
}

/** Writes what happens to the URBs of one device into a ring, as blocks of pcapng. */
export class Recorder {
  readonly #ring: PacketRing;
  readonly #endpoints: number;
  readonly #packet: UrbPacket;
  readonly #id: number;
  readonly #nowUs: () => number;

  /** `id` tells this device's URBs from those of others; `nowUs` is the time of day. */
  constructor(ring: PacketRing, request: CaptureRequest, id: number, nowUs: () => number) {
    this.#ring = ring;
    this.#endpoints = request.endpoints;
    this.#packet = new UrbPacket(request, Math.min(request.snaplen, LARGEST_PACKET));
    this.#id = id;
    this.#nowUs = nowUs;
  }

  submitted(urb: Urb): void {
    this.#record(urb, EventType.submit);
  }

  completed(urb: Urb): void {
    this.#record(urb, EventType.complete);
  }

  #record(urb: Urb, type: EventType): void {
    if ((this.#endpoints & (1 << endpointSlot(urb.endpoint))) === 0) return;
    const packet = this.#packet;
    packet.measure(urb, type);
    const { bytes, view } = this.#ring;
    const at = this.#ring.reserve(PACKET_FRAME + padded(packet.captured));
    if (at < 0) return;
    const timeUs = Math.floor(this.#nowUs());
    framePacket(view, at, timeUs, packet.captured, packet.original);
    packet.write(urb, view, bytes, at + PACKET_AT, timeUs, this.#id);
    this.#ring.commit();
  }
}
