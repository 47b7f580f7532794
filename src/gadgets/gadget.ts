import { type Change, Chapter9 } from "../usb/chapter9.ts";
import type { DescriptorAnswers, DeviceSpecification } from "../usb/chapter9-descriptors.ts";
import { CompletionRounds } from "../usb/completion-rounds.ts";
import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import type { Endpoint, EndpointMap } from "../usb/endpoint-map.ts";
import { EndpointTable } from "../usb/endpoint-table.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { REQUEST_KIND_MASK, RequestKind, Setup, StandardRequest } from "../usb/setup.ts";
import { frameMs, type Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";

import { EndpointQueue } from "./endpoint-queue.ts";
import { isDataStageSound, isWithinBounds, movePackets } from "./urb-check.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { ok, stall, cancelled, disconnected, invalid, short } = TransferStatus;
const { control, isochronous } = TransferType;
const { shortNotOk } = UrbFlag;

/** From open to close. */
interface Session {
  readonly host: UsbHost;
  readonly loop: Loop;
  readonly rounds: CompletionRounds;
  closing: boolean;
  /** The device was unplugged under this session. */
  gone: boolean;
}

/** bmRequestType of a standard request that an interface answers: class descriptors (HID 1.11 §7.1.1). */
const STANDARD_IN_INTERFACE = 0x81;

/**
 * A simulated device. Standard requests, the queues of its endpoints, halts, pacing and the life of a
 * session are here; a subclass moves data in `transfer` and `packet` and answers its own requests in
 * `control`.
 */
export abstract class Gadget implements UsbDevice {
  readonly speed: Speed;
  readonly #name: string;
  readonly #chapter9: Chapter9;
  readonly #queues = new EndpointTable<EndpointQueue>();
  /** Control URBs in order: the first is being answered, the others wait for it. */
  readonly #controls: Urb[] = [];
  /** Stands for the answer to the first one that is still to come. */
  #answer: object | undefined;
  /** Endpoints to look at behind the present one, in the order in which they became ready. */
  readonly #ready = new Set<EndpointQueue>();
  #othersReady = false;
  #running = false;
  #session: Session | undefined;
  #plugged = true;
  /** There is, or was, an isochronous queue. */
  #isPaced = false;
  #timer: Cancellable | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  readonly #packet = (urb: Urb, at: number, length: number): number => this.packet(urb, at, length);

  /** With descriptors of their own kind, or with those that follow from a specification. */
  constructor(specification: DeviceSpecification | DescriptorAnswers, speed: Speed) {
    this.speed = speed;
    this.#name = specification.product;
    this.#chapter9 = new Chapter9(specification, speed, (change) => this.#follow(change));
  }

  get descriptors(): Uint8Array {
    return this.#chapter9.descriptors;
  }

  get configuration(): number {
    return this.#chapter9.endpoints.configuration;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    if (!this.#plugged) {
      done({ reason: "gone", message: `${this.#name} is unplugged; plug it in again first` });
    } else if (this.#session !== undefined) {
      done({ reason: "busy", message: `${this.#name} is in use; detach it where it is attached first` });
    } else {
      const rounds = new CompletionRounds(host, loop);
      this.#session = { host, loop, rounds, closing: false, gone: false };
      done();
    }
  }

  submit(urb: Urb): void {
    const session = this.#session;
    if (session === undefined) return;
    session.rounds.hold();
    const status = this.#admit(urb, session);
    if (status !== undefined) this.#finish(urb, status);
    session.rounds.release();
  }

  cancel(urb: Urb): void {
    const session = this.#session;
    if (session === undefined) return;
    session.rounds.hold();
    const at = this.#controls.indexOf(urb);
    if (at >= 0) {
      this.#controls.splice(at, 1);
      this.#drop(urb, cancelled);
      if (at === 0) this.#nextControl();
    } else if (this.#queues.get(urb.endpoint)?.remove(urb) === true) {
      this.#drop(urb, cancelled);
      this.ready(urb.endpoint);
    }
    session.rounds.release();
  }

  flush(): void {
    this.#session?.rounds.flush();
  }

  reset(done: (status: TransferStatus) => void): void {
    const session = this.#session;
    this.#endControls(cancelled);
    this.#chapter9.reset();
    session?.rounds.settle(() => done(session.gone ? disconnected : ok));
  }

  close(done: () => void): void {
    const session = this.#session;
    if (session === undefined) {
      done();
      return;
    }
    session.closing = true;
    this.#endControls(cancelled);
    this.#chapter9.reset();
    session.rounds.settle(() => {
      this.#session = undefined;
      done();
    });
  }

  /** Takes the device away: transfers end as disconnected, then the host is told. */
  unplug(): void {
    if (!this.#plugged) return;
    this.#plugged = false;
    this.#endControls(disconnected);
    for (const { endpoint } of this.#queues.all()) this.#end(endpoint.address, disconnected);
    this.#chapter9.reset();
    const session = this.#session;
    if (session === undefined) return;
    session.gone = true;
    session.rounds.settle(() => {
      if (this.#session === session) session.host.unplugged();
    });
  }

  /** Lets the device be opened again after `unplug`. */
  plug(): void {
    this.#plugged = true;
  }

  /**
   * Moves data for the oldest URB of a bulk or interrupt endpoint and says how it ended. Nothing: it stays
   * pending, with `actualLength` as far as it came, until `ready` is called for its endpoint.
   */
  protected abstract transfer(urb: Urb, endpoint: Endpoint): TransferStatus | undefined;

  /** Moves one isochronous packet, `length` bytes at `at` in `urb.buffer`. Returns the bytes that moved. */
  protected packet(urb: Urb, _at: number, length: number): number {
    return isIn(urb.endpoint) ? 0 : length;
  }

  /**
   * Answers a class or vendor request, or a standard one for the descriptors of an interface. Nothing: the
   * answer comes by `later`, and control requests behind it wait.
   */
  protected control(_urb: Urb): TransferStatus | undefined {
    return stall;
  }

  /**
   * For a `control` that answers later: call the result once. `answer` then runs if the URB still waits; one
   * that was cancelled meanwhile belongs to the host and must not be touched.
   */
  protected later(): (answer: (urb: Urb) => TransferStatus) => void {
    const pending = {};
    this.#answer = pending;
    return (answer) => {
      if (this.#answer !== pending) return;
      const urb = this.#controls.shift()!;
      this.#finish(urb, answer(urb));
      this.#nextControl();
    };
  }

  /** A standard request, a reset or the end of the session has changed the device's state. */
  protected changed(_change: Change): void {}

  /** A pending URB has ended without `transfer`. */
  protected dropped(_urb: Urb): void {}

  /** The endpoint may be able to go on with its oldest URB. */
  protected ready(endpoint: number): void {
    const queue = this.#queues.get(endpoint);
    if (queue !== undefined) this.#goOn(queue);
  }

  /** Halts an endpoint: what is pending there and what follows is stalled until the host clears it. */
  protected halt(endpoint: number): void {
    this.#chapter9.halt(endpoint);
  }

  protected get endpoints(): EndpointMap {
    return this.#chapter9.endpoints;
  }

  /** The host's loop, while there is a host. */
  protected get loop(): Loop | undefined {
    return this.#session?.loop;
  }

  /** Takes a URB in, or tells at once how it ends. */
  #admit(urb: Urb, session: Session): TransferStatus | undefined {
    if (session.gone) return disconnected;
    if (session.closing) return cancelled;
    if (!isWithinBounds(urb)) return invalid;
    if (urb.type === control) {
      const status = this.#controls.length > 0 ? undefined : this.#control(urb);
      if (status === undefined) this.#controls.push(urb);
      return status;
    }
    const queue = this.#queues.get(urb.endpoint) ?? this.#openQueue(urb.endpoint);
    if (queue === undefined) return stall;
    if (!queue.carries(urb.type)) return invalid;
    queue.push(urb, session.loop);
    if (queue.head === urb) this.#goOn(queue);
    return undefined;
  }

  #openQueue(address: number): EndpointQueue | undefined {
    const endpoint = this.endpoints.find(address);
    if (endpoint === undefined) return undefined;
    const queue = new EndpointQueue(endpoint, frameMs(this.speed));
    this.#queues.set(address, queue);
    if (queue.isochronous) this.#isPaced = true;
    return queue;
  }

  /** The first control URB has ended: goes on with those behind it. */
  #nextControl(): void {
    this.#answer = undefined;
    for (let urb = this.#controls[0]; urb !== undefined; urb = this.#controls[0]) {
      const status = this.#control(urb);
      if (status === undefined) return;
      this.#controls.shift();
      this.#finish(urb, status);
    }
  }

  #endControls(status: TransferStatus): void {
    this.#answer = undefined;
    for (const urb of this.#controls.splice(0)) this.#drop(urb, status);
  }

  #control(urb: Urb): TransferStatus | undefined {
    if (!isDataStageSound(urb)) return invalid;
    const { setup } = urb;
    const bmRequestType = Setup.bmRequestType(setup, 0);
    const own =
      (bmRequestType & REQUEST_KIND_MASK) !== RequestKind.standard ||
      (bmRequestType === STANDARD_IN_INTERFACE &&
        Setup.bRequest(setup, 0) === StandardRequest.GET_DESCRIPTOR);
    return own ? this.control(urb) : this.#chapter9.answer(urb);
  }

  #goOn(queue: EndpointQueue): void {
    if (this.#running) {
      this.#ready.add(queue);
      this.#othersReady = true;
      return;
    }
    this.#running = true;
    this.#advance(queue);
    if (this.#othersReady) this.#advanceOthers();
    this.#running = false;
    if (this.#isPaced) this.#arm();
  }

  #advanceOthers(): void {
    // An endpoint that becomes ready again meanwhile is appended and visited again.
    for (const next of this.#ready) {
      this.#ready.delete(next);
      this.#advance(next);
    }
    this.#othersReady = false;
  }

  #advance(queue: EndpointQueue): void {
    for (let urb = queue.head; urb !== undefined; urb = queue.head) {
      const status = this.#move(queue, urb);
      // A subclass may have ended the queue meanwhile, by `unplug` for one.
      if (status === undefined || queue.head !== urb) return;
      queue.shift();
      this.#finish(urb, status);
    }
  }

  #move(queue: EndpointQueue, urb: Urb): TransferStatus | undefined {
    if (queue.isochronous) {
      if (this.#session === undefined || queue.dueMs > this.#session.loop.now()) return undefined;
      movePackets(urb, queue.endpoint, this.#packet);
      return ok;
    }
    if (!this.#chapter9.isHalted(urb.endpoint)) return this.transfer(urb, queue.endpoint);
    this.dropped(urb);
    return stall;
  }

  #follow(change: Change): void {
    if (change.what !== "halt") {
      for (const endpoint of change.gone) this.#end(endpoint, cancelled);
    }
    this.changed(change);
    if (change.what === "halt") this.ready(change.endpoint);
    else if (this.#isPaced) this.#arm();
  }

  #end(endpoint: number, status: TransferStatus): void {
    const queue = this.#queues.get(endpoint);
    this.#queues.delete(endpoint);
    for (let urb = queue?.shift(); urb !== undefined; urb = queue?.shift()) this.#drop(urb, status);
  }

  #drop(urb: Urb, status: TransferStatus): void {
    this.dropped(urb);
    this.#finish(urb, status);
  }

  #finish(urb: Urb, status: TransferStatus): void {
    const tooShort =
      status === ok &&
      (urb.flags & shortNotOk) !== 0 &&
      urb.actualLength < urb.length &&
      isIn(urb.endpoint) &&
      urb.type !== isochronous;
    urb.status = tooShort ? short : status;
    this.#session?.rounds.add(urb);
  }

  /** One timer, for the isochronous URB that is due first. */
  #arm(): void {
    const loop = this.#session?.loop;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.all()) dueMs = Math.min(dueMs, queue.dueMs);
    if (loop === undefined || dueMs === this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer = loop.after(Math.max(dueMs - loop.now(), 0), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      for (const queue of this.#queues.all()) if (queue.isochronous) this.#goOn(queue);
    });
  }
}
