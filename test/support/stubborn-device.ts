import { PACKET_WORDS, PacketWord, TransferStatus } from "../../src/usb/urb.ts";
import { HeldDevice } from "./held-device.ts";

/** Lets go of nothing before it is told to: a cancel is heard and changes nothing, as real devices may have it. */
export class StubbornDevice extends HeldDevice {
  override cancel(): void {}

  override reset(done: (status: TransferStatus) => void): void {
    done(TransferStatus.ok);
  }

  override close(done: () => void): void {
    for (const urb of this.held.slice()) this.finish(urb, TransferStatus.cancelled, new Uint8Array(0));
    this.closed++;
    done();
  }

  /** Everything ends well; no more moves of a transfer, or of a packet, than that. */
  finishAll(most: { readonly transfer: number; readonly packet: number }): void {
    for (const urb of this.held.slice()) {
      for (let i = 0; i < urb.packetCount; i++) {
        const word = i * PACKET_WORDS;
        const length = urb.packets[word + PacketWord.length]!;
        urb.packets[word + PacketWord.actualLength] = Math.min(length, most.packet);
        urb.packets[word + PacketWord.status] = TransferStatus.ok;
      }
      this.finish(urb, TransferStatus.ok, new Uint8Array(Math.min(urb.length, most.transfer)));
    }
  }
}
