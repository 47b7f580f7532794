import { Cancels } from "../usb/cancels.ts";
import type { Loop } from "../usb/loop.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { type AttachRefusal, readAttachAnswer } from "./attach-answer.ts";
import { Channel, type HelloValue } from "./channel.ts";
import type { ClientDeviceOutput, WslusbDevice } from "./client-device.ts";
import { GivenDevices } from "./given-devices.ts";
import { HeardDevices } from "./heard-devices.ts";
import { IncomingResponse } from "./incoming-response.ts";
import { MAX_DESCRIPTORS, WSLUSB_LIMITS, type WslusbLimits } from "./limits.ts";
import { LIST_MAX, type ListedDevice } from "./listed-device.ts";
import { type IncomingMessage, WholeMessage } from "./message-reader.ts";
import {
  AttachedDevice,
  AttachRequest,
  AttachResponse,
  CancelRequest,
  CancelResponse,
  Credit,
  DetachNotice,
  DetachRequest,
  EnumerationFlag,
  EnumerationRequest,
  EnumerationResponse,
  type EventKind,
  Hello,
  MAGIC,
  MessageType,
  ResetRequest,
  ResetResponse,
  WSLUSB_VERSION,
} from "./messages.ts";
import { OwedAnswers, type Question } from "./owed-answers.ts";
import { transferStatusOf } from "./status.ts";
import type { Submission } from "./submission.ts";

/** What the engine asks of its connection and tells its owner. */
export interface ClientOutput {
  /** The chunks belong to the engine again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The conversation is over: send what was written, close, and call `disconnected`. */
  end(error: ProtocolError): void;
  /** The host takes a device back, with a `Status`; its URBs end next. */
  takenBack(device: WslusbDevice, status: number): void;
  /** What the host offers has changed; only after a list that asked to be told. */
  changed(kind: EventKind, device: ListedDevice): void;
}

/** How long a host may take to reset a device. */
const RESET_MS = 5_000;

/**
 * Client side of one WSL-USB connection: a source of many devices. Fed bytes, it asks for bytes to be written; it does
 * no I/O. Nothing of a response reaches a URB before it was measured against the request.
 */
export class WslusbClient {
  readonly #loop: Loop;
  readonly #limits: WslusbLimits;
  readonly #channel: Channel;
  readonly #cancels: Cancels<Submission>;
  readonly #devices: GivenDevices;
  readonly #owed: OwedAnswers;
  readonly #heard: HeardDevices;
  readonly #touched = new Set<WslusbDevice>();
  /** Each was used for a response that has come; as many as were begun at a time. */
  readonly #spare: IncomingResponse[] = [];
  readonly #over = (response: IncomingResponse): void => void this.#spare.push(response);
  #greeted: (() => void) | undefined;

  constructor(loop: Loop, output: ClientOutput, limits: WslusbLimits = WSLUSB_LIMITS) {
    this.#loop = loop;
    this.#limits = limits;
    this.#owed = new OwedAnswers(4 * limits.urbs);
    this.#heard = new HeardDevices((kind, device) => output.changed(kind, device));
    this.#channel = new Channel(loop, limits, (chunks, written) => output.write(chunks, written), {
      greeted: (hello) => this.#helloCame(hello),
      begin: (type, sequence) => this.#begin(type, sequence),
      granted: (device, bytes) => this.#devices.granted(device, bytes),
      failed: (error) => output.end(error),
    });
    this.#cancels = new Cancels(loop, (submission) => this.#abandon(submission));
    const forDevices: ClientDeviceOutput = {
      outbox: this.#channel.outbox,
      loop,
      limits,
      touched: this.#touched,
      nextSequence: () => this.#owed.nextSequence(),
      remember: (submission) => this.#owed.remember(submission),
      forget: (submission) => this.#forget(submission),
      cancel: (submission) => this.#cancel(submission),
      reset: (handle, done) => this.#reset(handle, done),
      owe: (submission) => this.#owe(submission),
      detach: (device, done) => this.#detach(device, done),
      grant: (device, bytes) => this.#channel.say(MessageType.Credit, 0, Credit.encode({ device, bytes })),
      settle: () => this.#channel.settle(),
    };
    this.#devices = new GivenDevices(forDevices, (device, status) => output.takenBack(device, status));
  }

  get phase(): "greeting" | "open" | "over" {
    return this.#channel.phase;
  }

  /** Devices that are attached over this connection. */
  get attached(): number {
    return this.#devices.size;
  }

  /** Speaks first; `done` runs when the host has answered. To be called once, before anything else. */
  greet(done: () => void): void {
    this.#greeted = done;
    const hello = Hello.encode({
      magic: MAGIC,
      version: WSLUSB_VERSION,
      lowest_version: WSLUSB_VERSION,
      reserved: 0,
      credit: this.#limits.credit,
      devices: 0,
      urbs: 0,
      bytes: 0,
      transfer_length: 0,
      packets: 0,
    });
    this.#channel.say(MessageType.Hello, 0, hello);
    this.#channel.settle();
  }

  /** What the host offers; nothing if the connection ends. With `subscribe`, changes are told from now on. */
  list(subscribe: boolean, done: (devices: readonly ListedDevice[] | undefined) => void): void {
    const payload = EnumerationRequest.encode({ flags: subscribe ? EnumerationFlag.SUBSCRIBE : 0 });
    this.#ask(MessageType.DeviceEnumeration, payload, EnumerationResponse.size, LIST_MAX, {
      answer: (answer) => {
        const devices = this.#heard.readList(answer);
        if (devices instanceof ProtocolError) return devices;
        done(devices);
        return undefined;
      },
      lost: () => done(undefined),
    });
  }

  /** Takes a device; nothing if the connection ends. */
  attach(busid: string, done: (result: WslusbDevice | AttachRefusal | undefined) => void): void {
    const payload = AttachRequest.encode({ instance_id: busid });
    const most = AttachResponse.size + AttachedDevice.size + MAX_DESCRIPTORS;
    this.#ask(MessageType.DeviceAttach, payload, AttachResponse.size, most, {
      answer: (answer) => {
        const read = readAttachAnswer(busid, answer);
        const result = "facts" in read ? this.#devices.add(read) : read;
        if (result instanceof ProtocolError) return result;
        done(result);
        return undefined;
      },
      lost: () => done(undefined),
    });
  }

  /** Bytes of the host, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    const error = this.#channel.read(bytes) ?? this.#owed.tooMany();
    for (const device of this.#touched) device.giveCredit();
    this.#touched.clear();
    this.#channel.settle(error);
  }

  /** The connection is gone: every device is. */
  disconnected(): void {
    this.#channel.stop();
    this.#cancels.clear();
    this.#devices.end();
    this.#owed.lose();
  }

  #helloCame({ version, credit }: HelloValue): ProtocolError | undefined {
    if (version !== WSLUSB_VERSION) {
      return new ProtocolError("BAD_VERSION", `the host chooses version ${version}, not ${WSLUSB_VERSION}`);
    }
    this.#devices.credit = credit;
    // The channel is open when this returns.
    this.#loop.soon(() => {
      if (this.#channel.phase === "open") this.#greeted?.();
    });
    return undefined;
  }

  #begin(type: number, sequence: number): IncomingMessage | ProtocolError {
    switch (type) {
      case MessageType.UrbResponse: {
        const submission = this.#owed.submission(sequence);
        return submission?.request.isWhole === true
          ? (this.#spare.pop() ?? new IncomingResponse(this.#over)).renew(submission)
          : new ProtocolError("UNKNOWN_SEQNUM", `UrbResponse ${sequence} belongs to no request`);
      }
      case MessageType.DeviceEvent:
        return this.#heard.event();
      case MessageType.DeviceDetach:
        if (sequence === 0) {
          const { size } = DetachNotice;
          return new WholeMessage("DeviceDetach", size, size, (payload) => this.#devices.takenBack(payload));
        }
    }
    return this.#owed.read(type, sequence);
  }

  #ask(
    type: number,
    payload: Uint8Array,
    least: number,
    most: number,
    { answer, lost }: Pick<Question, "answer" | "lost">,
  ): void {
    if (this.#channel.phase !== "open") {
      this.#loop.soon(lost);
      return;
    }
    this.#channel.say(type, this.#owed.ask({ type, least, most, answer, lost }), payload);
    this.#channel.settle();
  }

  #cancel(submission: Submission): void {
    this.#cancels.add(submission);
    const urb = submission.sequence;
    const { size } = CancelResponse;
    this.#ask(MessageType.UrbCancel, CancelRequest.encode({ urb }), size, size, {
      answer: (payload) => otherThan("urb", urb, CancelResponse.urb(payload, 0)),
      lost: () => {},
    });
  }

  #reset(handle: number, done: (status: TransferStatus) => void): void {
    let isDone = false;
    const finish = (status: TransferStatus): void => {
      if (isDone) return;
      isDone = true;
      timer.cancel();
      done(status);
    };
    const timer = this.#loop.after(RESET_MS, () => finish(TransferStatus.timeout));
    const { size } = ResetResponse;
    this.#ask(MessageType.DeviceReset, ResetRequest.encode({ device: handle }), size, size, {
      answer: (payload) => {
        const error = otherThan("device", handle, ResetResponse.device(payload, 0));
        if (error === undefined) finish(transferStatusOf(ResetResponse.status(payload, 0)));
        return error;
      },
      lost: () => finish(TransferStatus.disconnected),
    });
  }

  #detach(device: WslusbDevice, done: () => void): void {
    const { handle } = device;
    this.#devices.remove(device);
    const { size } = DetachNotice;
    this.#ask(MessageType.DeviceDetach, DetachRequest.encode({ device: handle }), size, size, {
      answer: (payload) => {
        const error = otherThan("device", handle, DetachNotice.device(payload, 0));
        if (error !== undefined) return error;
        for (const submission of this.#owed.submissionsOf(device)) this.#forget(submission);
        done();
        return undefined;
      },
      lost: done,
    });
  }

  #abandon(submission: Submission): void {
    this.#owe(submission);
    submission.owner.giveBack(submission, TransferStatus.cancelled);
    const error = this.#owed.tooMany();
    if (error !== undefined) this.#channel.fail(error);
  }

  #owe(submission: Submission): void {
    this.#owed.owe(submission);
    this.#cancels.remove(submission);
  }

  #forget(submission: Submission): void {
    this.#owed.forget(submission);
    this.#cancels.remove(submission);
  }
}

/** What an answer must repeat. */
function otherThan(name: string, asked: number, came: number): ProtocolError | undefined {
  if (came === asked) return undefined;
  return new ProtocolError("BAD_FIELD", `the answer for ${name} ${asked} is for ${name} ${came}`);
}
