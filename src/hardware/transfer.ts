import { Fifo } from "../usb/fifo.ts";
import { createUrb, type Urb } from "../usb/urb.ts";
import { StateRequest } from "./state-request.ts";

/** Not refused. */
export const ACCEPTED = -1;

/** What one endpoint has to do, in order. Both directions of endpoint 0 are one. */
export class EndpointQueue {
  /** Those that the system does not have, or not all of: the first may be under way in parts. */
  readonly waiting = new Fifo<Transfer>();
  /** Parts in flight. */
  inSystem = 0;
}

const NO_URB = createUrb(-1);
const NO_QUEUE = new EndpointQueue();

/** A URB of the sink on its way through the operating system, in one part or in several. Used again for another one. */
export class Transfer {
  urb: Urb = NO_URB;
  queue: EndpointQueue = NO_QUEUE;
  request: StateRequest = StateRequest.none;
  /** A TransferStatus: it will end so, when older ones have ended. */
  refusal: number = ACCEPTED;
  /** Parts in flight. */
  parts = 0;
  /** Bytes, or isochronous packets, that the system has been given. */
  begun = 0;
  /** The system has been given all that it will get. */
  isBegun = false;
  /** Most bytes of one part. */
  partBytes = 0;
  /** We end it early, and the system has to say that it has. */
  isCancelled = false;
  /** Where it stands in one piece, if it does not in the sink's memory. */
  gathered: Uint8Array | undefined;

  start(urb: Urb, queue: EndpointQueue, partBytes: number): void {
    this.urb = urb;
    this.queue = queue;
    this.request = StateRequest.none;
    this.refusal = ACCEPTED;
    this.parts = 0;
    this.begun = 0;
    this.isBegun = false;
    this.partBytes = partBytes;
    this.isCancelled = false;
  }

  /** Keeps neither the URB nor memory. */
  end(): void {
    this.urb = NO_URB;
    this.queue = NO_QUEUE;
    this.gathered = undefined;
  }
}
