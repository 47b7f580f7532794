import type { UsbHost } from "../../src/usb/device.ts";
import { createUrb, PACKET_WORDS, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import type { ProtocolError } from "../../src/wire/protocol-error.ts";
import { AttachRefusal } from "../../src/wslusb/attach-answer.ts";
import { WslusbClient } from "../../src/wslusb/client.ts";
import type { WslusbDevice } from "../../src/wslusb/client-device.ts";
import { WSLUSB_LIMITS, type WslusbLimits } from "../../src/wslusb/limits.ts";
import type { ListedDevice } from "../../src/wslusb/listed-device.ts";
import { AttachedDevice, AttachResponse, MessageType } from "../../src/wslusb/messages.ts";
import { HeldDevice } from "./held-device.ts";
import { ManualLoop } from "./manual-loop.ts";
import { frame, framesOf, HOST_HELLO, type SeenFrame } from "./wslusb-wire.ts";

/** A client engine whose host is the test: it sees each frame and writes each answer. */
export class ClientWire implements UsbHost {
  readonly loop = new ManualLoop();
  readonly client: WslusbClient;
  ended: ProtocolError | undefined;
  isGreeted = false;
  readonly events: [number, ListedDevice][] = [];
  /** [tag, status, actualLength] of each completion. */
  readonly completions: [number, number, number][] = [];
  unplugs = 0;
  #frames: SeenFrame[] = [];
  #tag = 0;

  constructor(limits: WslusbLimits = WSLUSB_LIMITS) {
    this.client = new WslusbClient(
      this.loop,
      {
        write: (chunks, written) => {
          this.#frames.push(...framesOf(Uint8Array.from(Buffer.concat(chunks))));
          this.loop.soon(written);
        },
        end: (error) => {
          this.ended = error;
        },
        takenBack: () => {},
        changed: (kind, device) => this.events.push([kind, device]),
      },
      limits,
    );
    this.client.greet(() => {
      this.isGreeted = true;
    });
    this.loop.settle();
  }

  reply(...frames: readonly Uint8Array[]): void {
    this.client.receive(Buffer.concat(frames));
    this.loop.settle();
  }

  /** Frames since the last look. */
  seen(): SeenFrame[] {
    this.loop.settle();
    return this.#frames.splice(0);
  }

  /** Greeted, with a held device attached as device 1 and open. */
  attached(): WslusbDevice {
    this.reply(HOST_HELLO);
    let result: WslusbDevice | AttachRefusal | undefined;
    this.client.attach("1-1", (answer) => {
      result = answer;
    });
    this.reply(frame(MessageType.DeviceAttach, this.seen().at(-1)!.sequence, attachedAnswer(1)));
    if (result === undefined || result instanceof AttachRefusal) throw new Error("not attached");
    result.open(this, this.loop, () => {});
    return result;
  }

  complete(urb: Urb): void {
    this.completions.push([urb.tag, urb.status, urb.actualLength]);
  }

  unplugged(): void {
    this.unplugs++;
  }

  /** Submits and flushes; gives the sequence number, too. */
  submit(
    device: WslusbDevice,
    endpoint: number,
    length: number,
    packets: readonly (readonly [number, number])[] = [],
  ): { urb: Urb; sequence: number } {
    const urb = createUrb(this.#tag++);
    urb.endpoint = endpoint;
    urb.type =
      packets.length > 0
        ? TransferType.isochronous
        : endpoint === 0x82
          ? TransferType.interrupt
          : TransferType.bulk;
    urb.buffer = new Uint8Array(length).fill(0xbb);
    urb.length = length;
    urb.packetCount = packets.length;
    urb.packets = new Int32Array(packets.length * PACKET_WORDS);
    for (const [index, [offset, size]] of packets.entries()) {
      urb.packets.set([offset, size, 0, TransferStatus.notDone], index * PACKET_WORDS);
    }
    device.submit(urb);
    device.flush();
    const sequence = this.seen().findLast(({ type }) => type === MessageType.UrbRequest)?.sequence ?? 0;
    return { urb, sequence };
  }
}

/** What a host says of a held device that it gives. */
export function attachedAnswer(device: number, descriptors = new HeldDevice().descriptors): Uint8Array {
  return Uint8Array.from(
    Buffer.concat([
      AttachResponse.encode({ status: 0, message: "" }),
      AttachedDevice.encode({
        device,
        speed: 3,
        current_configuration: 1,
        reserved: 0,
        descriptors_length: descriptors.length,
      }),
      descriptors,
    ]),
  );
}
