import { setTimeout as sleep } from "node:timers/promises";
import { TransferType } from "../../src/usb/urb.ts";
import { WSLUSB_LIMITS } from "../../src/wslusb/limits.ts";
import {
  AttachedDevice,
  AttachRequest,
  AttachResponse,
  Credit,
  ErrorMessage,
  FrameFlag,
  FrameHeader,
  Hello,
  MAGIC,
  MAX_PAYLOAD,
  MessageType,
  UrbRequest,
  UrbResponse,
  WSLUSB_VERSION,
} from "../../src/wslusb/messages.ts";
import { Status } from "../../src/wslusb/status.ts";
import type { Case } from "../case.ts";
import {
  BETWEEN_TRIES_MS,
  BULK_ENDPOINT,
  PartReader,
  SET_CONFIGURATION_3,
  type Talk,
  type TalkOwner,
  TRIES,
  ZERO,
} from "./talk.ts";

/** Of an answer: that to an attach, without the descriptors, is the longest that is looked at. */
const KEPT_MAX = AttachResponse.size + AttachedDevice.size;

const NOTHING = new Uint8Array(0);

/** Part of a request, as it waits for credit. */
interface Frame {
  readonly head: Buffer;
  readonly data: Uint8Array;
  readonly cost: number;
}

/** Over WSL-USB. */
export class WslusbTalk implements Talk {
  readonly #case: Case;
  readonly #owner: TalkOwner;
  readonly #reader = new PartReader(KEPT_MAX);
  readonly #data: Uint8Array;
  #due: Uint8Array[] = [];
  readonly #parked: Frame[] = [];
  #sequence = 1;
  #device = 0;
  /** What the host has room for, and what we have read and not given back. */
  #credit = 0;
  #used = 0;
  #bulkHead: Buffer = Buffer.alloc(0);
  #type = 0;
  #size = 0;
  #follows = false;
  /** A response of which some frames have come. */
  #isBegun = false;
  #heard: (payload: Buffer) => void = () => {};

  constructor(one: Case, owner: TalkOwner) {
    this.#case = one;
    this.#owner = owner;
    this.#data = one.direction === "in" ? NOTHING : new Uint8Array(one.size);
    this.#expectFrame();
  }

  async begin(): Promise<void> {
    const hello = await this.#ask(
      MessageType.Hello,
      0,
      Hello.encode({
        magic: MAGIC,
        version: WSLUSB_VERSION,
        lowest_version: WSLUSB_VERSION,
        reserved: 0,
        credit: WSLUSB_LIMITS.credit,
        devices: 0,
        urbs: 0,
        bytes: 0,
        transfer_length: 0,
        packets: 0,
      }),
    );
    this.#credit = Hello.credit(hello, 0);
    for (let tries = 0; this.#device === 0; tries++) {
      if (tries === TRIES) throw new Error(`the host does not give "${ZERO}"`);
      if (tries > 0) await sleep(BETWEEN_TRIES_MS);
      const request = AttachRequest.encode({ instance_id: ZERO });
      const answer = await this.#ask(MessageType.DeviceAttach, this.#sequence++, request);
      if (AttachResponse.status(answer, 0) === Status.OK) {
        this.#device = AttachedDevice.device(answer, AttachResponse.size);
      }
    }
    const configure = this.#request(0, TransferType.control, 0);
    await this.#ask(MessageType.UrbRequest, this.#sequence++, configure);
    const { direction, size } = this.#case;
    const endpoint = BULK_ENDPOINT | (direction === "in" ? 0x80 : 0);
    this.#bulkHead = this.#request(endpoint, TransferType.bulk, size);
  }

  submit(): void {
    const sequence = this.#sequence++;
    const whole = this.#bulkHead.length + this.#data.length;
    for (let at = 0; at < whole; at += MAX_PAYLOAD) {
      const cost = Math.min(whole - at, MAX_PAYLOAD);
      const fixed = at === 0 ? this.#bulkHead : NOTHING;
      const from = Math.max(at - this.#bulkHead.length, 0);
      this.#parked.push({
        head: frame(MessageType.UrbRequest, sequence, fixed, cost, at + cost < whole),
        data: this.#data.subarray(from, from + cost - fixed.length),
        cost,
      });
    }
  }

  flush(): void {
    for (
      let next = this.#parked[0];
      next !== undefined && next.cost <= this.#credit;
      next = this.#parked[0]
    ) {
      this.#parked.shift();
      this.#credit -= next.cost;
      this.#due.push(next.head);
      if (next.data.length > 0) this.#due.push(next.data);
    }
    const due = this.#due;
    this.#due = [];
    if (due.length > 0) this.#owner.write(due);
  }

  receive(bytes: Uint8Array): void {
    this.#reader.receive(bytes);
  }

  #expectFrame(): void {
    this.#reader.expect(FrameHeader.size, FrameHeader.size, () => {
      const { bytes } = this.#reader;
      this.#type = FrameHeader.type(bytes, 0);
      this.#size = FrameHeader.payload_size(bytes, 0);
      this.#follows = (FrameHeader.reserved(bytes, 0) & FrameFlag.MORE) !== 0;
      const isUrb = this.#type === MessageType.UrbResponse;
      this.#reader.expect(this.#size, isUrb ? UrbResponse.size : KEPT_MAX, () => {
        this.#expectFrame();
        this.#frameCame(bytes);
      });
    });
  }

  #frameCame(payload: Buffer): void {
    switch (this.#type) {
      case MessageType.UrbResponse:
        if (this.#bulkHead.length === 0) this.#heard(payload);
        else this.#responseCame(payload);
        break;
      case MessageType.Credit:
        this.#credit += Credit.bytes(payload, 0);
        break;
      case MessageType.Error:
        this.#owner.failed(new Error(`the host ends: ${ErrorMessage.message(payload, 0)}`));
        break;
      default:
        this.#heard(payload);
    }
  }

  #responseCame(payload: Buffer): void {
    this.#used += this.#size;
    if (4 * this.#used >= WSLUSB_LIMITS.credit) {
      const credit = Credit.encode({ device: this.#device, bytes: this.#used });
      this.#used = 0;
      this.#due.push(frame(MessageType.Credit, 0, credit, credit.length, false));
    }
    const isWhole = UrbResponse.transferred_length(payload, 0) === this.#case.size;
    if (!this.#isBegun && (UrbResponse.status(payload, 0) !== Status.OK || !isWhole)) {
      this.#owner.failed(new Error("a transfer failed"));
    }
    this.#isBegun = this.#follows;
    if (!this.#follows) this.#owner.answered();
  }

  #ask(type: number, sequence: number, payload: Uint8Array): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve) => {
      this.#heard = (heard) => resolve(Buffer.from(heard));
    });
    this.#owner.write([frame(type, sequence, payload, payload.length, false)]);
    return answer;
  }

  #request(endpoint: number, transferType: number, length: number): Buffer {
    return Buffer.from(
      UrbRequest.encode({
        device: this.#device,
        endpoint,
        transfer_type: transferType,
        flags: 0,
        setup: transferType === TransferType.control ? SET_CONFIGURATION_3 : new Uint8Array(8),
        transfer_buffer_length: length,
        number_of_packets: 0,
        interval: 0,
        start_frame: 0,
        stream_id: 0,
        reserved: 0,
      }),
    );
  }
}

/** A frame header, and behind it the beginning of a payload of `size` bytes. */
function frame(type: number, sequence: number, payload: Uint8Array, size: number, follows: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(FrameHeader.size + payload.length);
  FrameHeader.put.type(bytes, 0, type);
  FrameHeader.put.payload_size(bytes, 0, size);
  FrameHeader.put.sequence_number(bytes, 0, sequence);
  FrameHeader.put.reserved(bytes, 0, follows ? FrameFlag.MORE : 0);
  bytes.set(payload, FrameHeader.size);
  return bytes;
}
