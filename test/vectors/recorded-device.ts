import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { Setup } from "../../src/usb/setup.ts";
import type { Speed } from "../../src/usb/speed.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";

/** What the recorded device answers to GET_DESCRIPTOR, by wValue. */
export type DescriptorTable = ReadonlyMap<number, Uint8Array>;

/**
 * The test device that the kernel was recorded with: bulk IN counts up, isochronous IN fills packet n with 10n
 * bytes of value n, the interrupt endpoint never answers, SET_ISOCH_DELAY is not supported.
 */
export class RecordedDevice implements UsbDevice {
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  configuration = 0;
  readonly #table: DescriptorTable;
  #host: UsbHost | undefined;
  readonly #finished: Urb[] = [];
  readonly #waiting = new Set<Urb>();

  constructor(speed: Speed, table: DescriptorTable) {
    this.speed = speed;
    this.#table = table;
    this.descriptors = Uint8Array.from([...table.get(0x0100)!, ...table.get(0x0200)!]);
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    this.#host = host;
    done();
  }

  submit(urb: Urb): void {
    if (urb.type === TransferType.interrupt) {
      this.#waiting.add(urb);
      return;
    }
    if (urb.type === TransferType.control) this.#control(urb);
    else if (urb.type === TransferType.isochronous) fillPackets(urb);
    else {
      for (let i = 0; isIn(urb.endpoint) && i < urb.length; i++) urb.buffer[urb.offset + i] = i;
      urb.actualLength = urb.length;
    }
    this.#finished.push(urb);
  }

  cancel(urb: Urb): void {
    if (!this.#waiting.delete(urb)) return;
    urb.status = TransferStatus.cancelled;
    this.#finished.push(urb);
  }

  flush(): void {
    for (const urb of this.#finished.splice(0)) this.#host!.complete(urb);
  }

  reset(done: (status: TransferStatus) => void): void {
    done(TransferStatus.ok);
  }

  close(done: () => void): void {
    for (const urb of this.#waiting) this.cancel(urb);
    this.flush();
    done();
  }

  #control(urb: Urb): void {
    switch (Setup.bRequest(urb.setup, 0)) {
      case 6: {
        const bytes = this.#table.get(Setup.wValue(urb.setup, 0))?.subarray(0, urb.length);
        if (bytes === undefined) urb.status = TransferStatus.stall;
        urb.buffer.set(bytes ?? [], urb.offset);
        urb.actualLength = bytes?.length ?? 0;
        break;
      }
      case 9:
        this.configuration = Setup.wValue(urb.setup, 0);
        break;
      case 0x31:
        urb.status = TransferStatus.stall;
        break;
    }
  }
}

function fillPackets({ endpoint, buffer, offset, packets, packetCount }: Urb): void {
  for (let n = 0; n < packetCount; n++) {
    const packet = packets.subarray(n * PACKET_WORDS, (n + 1) * PACKET_WORDS);
    const start = offset + packet[PacketWord.offset]!;
    const length = isIn(endpoint) ? 10 * (n + 1) : packet[PacketWord.length]!;
    if (isIn(endpoint)) buffer.fill(n + 1, start, start + length);
    packet[PacketWord.actualLength] = length;
    packet[PacketWord.status] = TransferStatus.ok;
  }
}
