import type { Change } from "../usb/chapter9.ts";
import { answerIn, takeOut } from "../usb/control-data.ts";
import { Setup } from "../usb/setup.ts";
import { Speed } from "../usb/speed.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import { u8, u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { ByteStream } from "./byte-stream.ts";
import { EchoStream } from "./echo-stream.ts";
import { Gadget } from "./gadget.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";
import {
  BULK_IN,
  BULK_OUT,
  CONTROL_INTERFACE,
  NOTIFICATIONS,
  SERIAL_STATE_LENGTH,
  serialConfigurations,
} from "./serial-descriptors.ts";

/** What the guest's program has set. Nothing follows from it here: the bytes move as fast as they can. */
export interface LineCoding {
  readonly baud: number;
  readonly stopBits: 1 | 1.5 | 2;
  readonly parity: "none" | "odd" | "even" | "mark" | "space";
  readonly dataBits: number;
}

export interface SerialOptions extends GadgetIdentity {
  /** The other end of the line. Default: an echo. */
  readonly stream?: ByteStream;
  readonly onLineCoding?: (coding: LineCoding) => void;
  /** The guest sends a break for so long; 65535 until told otherwise, 0 ends it. */
  readonly onBreak?: (durationMs: number) => void;
}

/** SET_LINE_CODING and GET_LINE_CODING (PSTN 1.2 §6.3.10) */
const LineCodingStruct = littleEndian("line coding", {
  dwDTERate: u32,
  bCharFormat: u8,
  bParityType: u8,
  bDataBits: u8,
});
const STOP_BITS = [1, 1.5, 2] as const;
const PARITIES = ["none", "odd", "even", "mark", "space"] as const;
const DATA_BITS: ReadonlySet<number> = new Set([5, 6, 7, 8, 16]);

/** bmRequestType and bRequest (PSTN 1.2 §6.3). */
const Request = {
  SET_LINE_CODING: 0x2120,
  GET_LINE_CODING: 0xa121,
  SET_CONTROL_LINE_STATE: 0x2122,
  SEND_BREAK: 0x2123,
} as const;

/** Bit 0 of wValue in SET_CONTROL_LINE_STATE: a terminal is present. */
const DTR = 1 << 0;
/** Bits of SERIAL_STATE (PSTN 1.2 §6.5.4): the other side is there (DCD), and ready (DSR). */
const CARRIER = 0x03;

const SerialState = littleEndian("SERIAL_STATE", {
  bmRequestType: u8,
  bNotification: u8,
  wValue: u16,
  wIndex: u16,
  wLength: u16,
  state: u16,
});

/** Bytes for the guest beyond which the stream is held back. */
const ENOUGH = 64 * 1024;
/** Bytes from the guest that are on their way to the stream at most. */
const SENDING = 64 * 1024;

/**
 * A serial port (CDC, Abstract Control Model). The stream is open as long as the guest has the port open, which
 * it says with DTR; a guest that never does opens it by sending. Neither way loses a byte: what one side does
 * not take holds back the other. What the guest has not read when it closes the port is dropped.
 */
export class Serial extends Gadget {
  readonly #stream: ByteStream;
  readonly #onLineCoding: (coding: LineCoding) => void;
  readonly #onBreak: (durationMs: number) => void;
  readonly #received = new ByteQueue();
  #sending: Uint8Array | undefined;
  #isSending = false;
  #isHeldBack = false;
  #isOpen = false;
  /** The guest closed the port while bytes were on their way: the stream closes behind them. */
  #isClosing = false;
  /** Told apart from those of a port that was open before. */
  #opening = 0;
  #state = 0;
  #toldState = 0;
  #coding: Uint8Array = LineCodingStruct.encode({
    dwDTERate: 115_200,
    bCharFormat: 0,
    bParityType: 0,
    bDataBits: 8,
  });

  constructor(options: SerialOptions = {}) {
    super(
      {
        vendorId: options.vendorId ?? 0x1209,
        productId: options.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0x02, // communications
        manufacturer: MANUFACTURER,
        product: "Serial",
        serial: options.serial ?? "",
        strings: [],
        configurations: serialConfigurations,
      },
      options.speed ?? Speed.high,
    );
    this.#stream = options.stream ?? new EchoStream();
    this.#onLineCoding = options.onLineCoding ?? (() => {});
    this.#onBreak = options.onBreak ?? (() => {});
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    switch (urb.endpoint) {
      case BULK_OUT:
        return this.#send(urb);
      case BULK_IN:
        return this.#receive(urb);
      default:
        return this.#notify(urb);
    }
  }

  protected override control(urb: Urb): TransferStatus {
    const { setup } = urb;
    if (this.configuration === 0 || Setup.wIndex(setup, 0) !== CONTROL_INTERFACE) return TransferStatus.stall;
    const wValue = Setup.wValue(setup, 0);
    switch ((Setup.bmRequestType(setup, 0) << 8) | Setup.bRequest(setup, 0)) {
      case Request.SET_LINE_CODING:
        return this.#setLineCoding(takeOut(urb));
      case Request.GET_LINE_CODING:
        return answerIn(urb, this.#coding);
      case Request.SET_CONTROL_LINE_STATE:
        if ((wValue & DTR) !== 0) this.#open();
        else this.#close();
        return TransferStatus.ok;
      case Request.SEND_BREAK:
        this.#onBreak(wValue);
        return TransferStatus.ok;
      default:
        return TransferStatus.stall;
    }
  }

  protected override changed(change: Change): void {
    if (change.what !== "configuration") return;
    this.#close();
    this.#toldState = 0;
  }

  #open(): void {
    // The stream of the last opening is still busy with what that one sent.
    if (this.#isClosing) {
      this.#isClosing = false;
      return;
    }
    if (this.#isOpen) return;
    this.#isOpen = true;
    const opening = ++this.#opening;
    this.#setState(CARRIER);
    this.#stream.open({
      receive: (bytes) => {
        if (opening !== this.#opening) return true;
        this.#received.push(bytes);
        this.ready(BULK_IN);
        this.#isHeldBack = this.#received.length >= ENOUGH;
        return !this.#isHeldBack;
      },
      ended: () => {
        if (opening === this.#opening) this.#setState(0);
      },
    });
  }

  #close(): void {
    this.#received.clear();
    if (!this.#isOpen) return;
    if (this.#isSending) {
      this.#isClosing = true;
      this.#resume();
      return;
    }
    this.#isOpen = false;
    this.#isClosing = false;
    this.#isHeldBack = false;
    this.#opening += 1;
    this.#setState(0);
    this.#stream.close();
  }

  #send(urb: Urb): TransferStatus | undefined {
    if (this.#isSending) return undefined;
    const length = Math.min(urb.length - urb.actualLength, SENDING);
    if (length > 0) {
      this.#open();
      this.#sending ??= new Uint8Array(SENDING);
      const bytes = this.#sending.subarray(0, length);
      const from = urb.offset + urb.actualLength;
      bytes.set(urb.buffer.subarray(from, from + length));
      urb.actualLength += length;
      this.#isSending = true;
      this.#stream.write(bytes, () => {
        this.#isSending = false;
        if (this.#isClosing) this.#close();
        this.ready(BULK_OUT);
      });
    }
    return urb.actualLength === urb.length ? TransferStatus.ok : undefined;
  }

  #receive(urb: Urb): TransferStatus | undefined {
    if (this.#received.length === 0) return undefined;
    // Never an overflow: how a stream is cut into packets is the matter of the device, and ours loses nothing.
    urb.actualLength = this.#received.take(urb, urb.offset, urb.length);
    if (this.#received.length < ENOUGH) this.#resume();
    return TransferStatus.ok;
  }

  #resume(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.#stream.resume();
  }

  #setState(state: number): void {
    this.#state = state;
    this.ready(NOTIFICATIONS);
  }

  #notify(urb: Urb): TransferStatus | undefined {
    if (this.#toldState === this.#state) return undefined;
    this.#toldState = this.#state;
    const notification = SerialState.encode({
      bmRequestType: 0xa1,
      bNotification: 0x20,
      wValue: 0,
      wIndex: CONTROL_INTERFACE,
      wLength: 2,
      state: this.#state,
    });
    urb.actualLength = Math.min(urb.length, SERIAL_STATE_LENGTH);
    urb.buffer.set(notification.subarray(0, urb.actualLength), urb.offset);
    return urb.length < SERIAL_STATE_LENGTH ? TransferStatus.overflow : TransferStatus.ok;
  }

  #setLineCoding(bytes: Uint8Array): TransferStatus {
    if (bytes.length !== LineCodingStruct.size) return TransferStatus.stall;
    const stopBits = STOP_BITS[LineCodingStruct.bCharFormat(bytes, 0)];
    const parity = PARITIES[LineCodingStruct.bParityType(bytes, 0)];
    const dataBits = LineCodingStruct.bDataBits(bytes, 0);
    if (stopBits === undefined || parity === undefined || !DATA_BITS.has(dataBits))
      return TransferStatus.stall;
    this.#coding = bytes.slice();
    this.#onLineCoding({ baud: LineCodingStruct.dwDTERate(bytes, 0), stopBits, parity, dataBits });
    return TransferStatus.ok;
  }
}
