import { Cancels } from "../usb/cancels.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel, type HelloValue } from "./channel.ts";
import { type AttachedFacts, type ClientDeviceOutput, WslusbDevice } from "./client-device.ts";
import { IncomingResponse } from "./incoming-response.ts";
import { MAX_DESCRIPTORS, MAX_LISTED, WSLUSB_LIMITS, type WslusbLimits } from "./limits.ts";
import {
  LIST_MAX,
  LISTED_MAX,
  type ListedDevice,
  listedSize,
  readList,
  readListed,
} from "./listed-device.ts";
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
  EventHead,
  EventKind,
  Hello,
  MAGIC,
  MessageType,
  ResetRequest,
  ResetResponse,
  WSLUSB_VERSION,
} from "./messages.ts";
import { asciiOf } from "./offered-device.ts";
import { Status, transferStatusOf } from "./status.ts";
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

/** The host answered rightly, and does not give the device. */
export class AttachRefusal {
  /** `Status`, or a number that has no name. */
  readonly status: number;
  /** The host's words, in printable ASCII. */
  readonly message: string;

  constructor(status: number, message: string) {
    this.status = status;
    this.message = message;
  }
}

/** A request of ours that has no answer yet. */
interface Asked {
  readonly type: number;
  readonly least: number;
  readonly most: number;
  /** The answer has come. */
  answer(payload: Uint8Array): ProtocolError | undefined;
  /** None will come. */
  lost(): void;
}

/** How long a host may take to reset a device. */
const RESET_MS = 5_000;

/**
 * Client side of one WSL-USB connection: a source of many devices. Fed bytes, it asks for bytes to be written; it does
 * no I/O. Nothing of a response reaches a URB before it was measured against the request.
 */
export class WslusbClient {
  readonly #loop: Loop;
  readonly #output: ClientOutput;
  readonly #limits: WslusbLimits;
  readonly #channel: Channel;
  readonly #forDevices: ClientDeviceOutput;
  readonly #cancels: Cancels<Submission>;
  readonly #devices = new Map<number, WslusbDevice>();
  readonly #submissions = new Map<number, Submission>();
  /** Submissions that were given back, and whose responses are owed. */
  #owed = 0;
  readonly #asked = new Map<number, Asked>();
  #lastSequence = 0;
  #lastHandle = 0;
  #credit = 0;
  /** Names of devices that the host has told of. */
  #told = new Set<string>();
  #greeted: (() => void) | undefined;

  constructor(loop: Loop, output: ClientOutput, limits: WslusbLimits = WSLUSB_LIMITS) {
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#channel = new Channel(loop, limits, (chunks, written) => output.write(chunks, written), {
      greeted: (hello) => this.#helloCame(hello),
      begin: (type, sequence) => this.#begin(type, sequence),
      granted: (device, bytes) => this.#granted(device, bytes),
      failed: (error) => output.end(error),
    });
    this.#cancels = new Cancels(loop, (submission) => this.#abandon(submission));
    this.#forDevices = {
      outbox: this.#channel.outbox,
      loop,
      limits,
      nextSequence: () => this.#nextSequence(),
      remember: (submission) => void this.#submissions.set(submission.sequence, submission),
      forget: (submission) => this.#forget(submission),
      cancel: (submission) => this.#cancel(submission),
      reset: (handle, done) => this.#reset(handle, done),
      owe: (submission) => this.#owe(submission),
      detach: (device, done) => this.#detach(device, done),
      grant: (device, bytes) => this.#channel.say(MessageType.Credit, 0, Credit.encode({ device, bytes })),
      settle: () => this.#channel.settle(),
    };
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
        const devices = readList(answer);
        if (devices instanceof ProtocolError) return devices;
        this.#told = new Set(devices.map(({ instance_id }) => instance_id));
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
        const result = this.#readAttached(busid, answer);
        if (result instanceof ProtocolError) return result;
        done(result);
        return undefined;
      },
      lost: () => done(undefined),
    });
  }

  /** Bytes of the host, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    const error = this.#channel.read(bytes) ?? this.#tooMuchOwed();
    this.#channel.settle(error);
  }

  /** The connection is gone: every device is. */
  disconnected(): void {
    this.#channel.stop();
    this.#cancels.clear();
    for (const device of Array.from(this.#devices.values())) device.gone();
    this.#devices.clear();
    this.#submissions.clear();
    const asked = Array.from(this.#asked.values());
    this.#asked.clear();
    for (const ask of asked) ask.lost();
  }

  #helloCame({ version, credit }: HelloValue): ProtocolError | undefined {
    if (version !== WSLUSB_VERSION) {
      return new ProtocolError("BAD_VERSION", `the host chooses version ${version}, not ${WSLUSB_VERSION}`);
    }
    this.#credit = credit;
    // The channel is open when this returns.
    this.#loop.soon(() => {
      if (this.#channel.phase === "open") this.#greeted?.();
    });
    return undefined;
  }

  #begin(type: number, sequence: number): IncomingMessage | ProtocolError {
    switch (type) {
      case MessageType.UrbResponse: {
        const submission = this.#submissions.get(sequence);
        return submission?.request.isWhole === true
          ? new IncomingResponse(submission)
          : new ProtocolError("UNKNOWN_SEQNUM", `UrbResponse ${sequence} belongs to no request`);
      }
      case MessageType.DeviceEvent:
        return new WholeMessage("DeviceEvent", EventHead.size, EventHead.size + LISTED_MAX, (payload) =>
          this.#event(payload),
        );
      case MessageType.DeviceDetach:
        if (sequence === 0) {
          const { size } = DetachNotice;
          return new WholeMessage("DeviceDetach", size, size, (payload) => this.#takenBack(payload));
        }
    }
    const asked = this.#asked.get(sequence);
    if (asked === undefined || asked.type !== type) {
      return new ProtocolError(
        "UNKNOWN_SEQNUM",
        `a message of type ${type} answers ${sequence}, which asked nothing`,
      );
    }
    return new WholeMessage(`an answer of type ${type}`, asked.least, asked.most, (payload) => {
      this.#asked.delete(sequence);
      return asked.answer(payload);
    });
  }

  #ask(
    type: number,
    payload: Uint8Array,
    least: number,
    most: number,
    { answer, lost }: Pick<Asked, "answer" | "lost">,
  ): void {
    if (this.#channel.phase !== "open") {
      this.#loop.soon(lost);
      return;
    }
    const sequence = this.#nextSequence();
    this.#asked.set(sequence, { type, least, most, answer, lost });
    this.#channel.say(type, sequence, payload);
    this.#channel.settle();
  }

  #readAttached(busid: string, payload: Uint8Array): WslusbDevice | AttachRefusal | ProtocolError {
    const status = AttachResponse.status(payload, 0);
    if (status !== Status.OK) {
      return payload.length === AttachResponse.size
        ? new AttachRefusal(status, asciiOf(AttachResponse.message(payload, 0)))
        : new ProtocolError("BAD_LENGTH", `a refused attach has ${payload.length} bytes`);
    }
    const facts = AttachedDevice.decode(payload, AttachResponse.size);
    if (facts instanceof ProtocolError) return facts;
    const descriptors = payload.slice(AttachResponse.size + AttachedDevice.size);
    if (facts.descriptors_length !== descriptors.length) {
      return new ProtocolError(
        "BAD_LENGTH",
        `descriptors_length is ${facts.descriptors_length}, but ${descriptors.length} bytes are there`,
      );
    }
    const { device: handle, speed, current_configuration } = facts;
    if (handle <= this.#lastHandle) return new ProtocolError("BAD_DEVICE", `device ${handle} is given again`);
    if (speed < 1 || speed > 5) {
      return new ProtocolError("BAD_FIELD", `the host gives speed ${speed}, which no kernel takes`);
    }
    const attached: AttachedFacts = { handle, busid, speed: speed as Speed, descriptors };
    const map = EndpointMap.of(descriptors, attached.speed, current_configuration);
    if (map instanceof ProtocolError) return map;
    this.#lastHandle = handle;
    const device = new WslusbDevice(attached, map, this.#credit, this.#forDevices);
    this.#devices.set(handle, device);
    return device;
  }

  #event(payload: Uint8Array): ProtocolError | undefined {
    const kind = EventHead.kind(payload, 0);
    const device = readListed(payload, EventHead.size);
    if (device instanceof ProtocolError) return device;
    if (EventHead.size + listedSize(device) !== payload.length) {
      return new ProtocolError("BAD_LENGTH", `a DeviceEvent has ${payload.length} bytes`);
    }
    if (kind === EventKind.REMOVED) this.#told.delete(device.instance_id);
    else this.#told.add(device.instance_id);
    if (this.#told.size > MAX_LISTED) {
      return new ProtocolError("FLOOD", `the host tells of more than ${MAX_LISTED} devices`);
    }
    // A later version may tell of more.
    if (kind === EventKind.ADDED || kind === EventKind.REMOVED || kind === EventKind.CHANGED) {
      this.#output.changed(kind, device);
    }
    return undefined;
  }

  #takenBack(payload: Uint8Array): ProtocolError | undefined {
    const handle = DetachNotice.device(payload, 0);
    if (handle === 0 || handle > this.#lastHandle) {
      return new ProtocolError("BAD_DEVICE", `device ${handle} was never attached`);
    }
    const device = this.#devices.get(handle);
    if (device === undefined) return undefined;
    this.#devices.delete(handle);
    this.#output.takenBack(device, DetachNotice.status(payload, 0));
    device.gone();
    return undefined;
  }

  #granted(handle: number, bytes: number): ProtocolError | undefined {
    if (handle === 0 || handle > this.#lastHandle) {
      return new ProtocolError("BAD_DEVICE", `device ${handle} was never attached`);
    }
    const device = this.#devices.get(handle);
    if (device === undefined) return undefined;
    const { lanes } = device;
    if (lanes.credit.bytes + bytes > this.#credit) {
      return new ProtocolError("BAD_FIELD", `${bytes} bytes of credit are more than were used up`);
    }
    this.#channel.outbox.grant(lanes, bytes);
    return undefined;
  }

  #cancel(submission: Submission): void {
    this.#cancels.add(submission);
    const urb = submission.sequence;
    const { size } = CancelResponse;
    this.#ask(MessageType.UrbCancel, CancelRequest.encode({ urb }), size, size, {
      answer: (payload) =>
        CancelResponse.urb(payload, 0) === urb
          ? undefined
          : new ProtocolError("BAD_FIELD", `the cancel of ${urb} is answered for another urb`),
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
        finish(transferStatusOf(ResetResponse.status(payload, 0)));
        return undefined;
      },
      lost: () => finish(TransferStatus.disconnected),
    });
  }

  #detach(device: WslusbDevice, done: () => void): void {
    const { handle } = device;
    this.#devices.delete(handle);
    const { size } = DetachNotice;
    this.#ask(MessageType.DeviceDetach, DetachRequest.encode({ device: handle }), size, size, {
      answer: () => {
        for (const submission of Array.from(this.#submissions.values())) {
          if (submission.owner === device) this.#forget(submission);
        }
        done();
        return undefined;
      },
      lost: done,
    });
  }

  #abandon(submission: Submission): void {
    this.#owe(submission);
    submission.owner.giveBack(submission, TransferStatus.cancelled);
    const error = this.#tooMuchOwed();
    if (error !== undefined) this.#channel.fail(error);
  }

  #owe(submission: Submission): void {
    if (submission.urb !== undefined) this.#owed++;
    this.#cancels.remove(submission);
  }

  #forget(submission: Submission): void {
    if (submission.urb === undefined) this.#owed--;
    this.#cancels.remove(submission);
    this.#submissions.delete(submission.sequence);
  }

  /** What a host that answers is remembered for. */
  #tooMuchOwed(): ProtocolError | undefined {
    const owed = this.#asked.size + this.#owed;
    if (owed <= 4 * this.#limits.urbs) return undefined;
    return new ProtocolError("PEER_SILENT", `${owed} requests and cancels have no answer`);
  }

  /** Counts through all 32 bits, without 0; a number whose answer is still owed is passed over. */
  #nextSequence(): number {
    do this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    while (
      this.#lastSequence === 0 ||
      this.#submissions.has(this.#lastSequence) ||
      this.#asked.has(this.#lastSequence)
    );
    return this.#lastSequence;
  }
}
