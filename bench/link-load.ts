import { setTimeout as sleep } from "node:timers/promises";
import type { Link } from "../src/links/link.ts";
import { CmdSubmit, Command, HEADER_SIZE, HeaderBasic, RetSubmit } from "../src/usbip/pdu.ts";
import type { Case } from "./case.ts";

const IMPORT_REQUEST = Buffer.from("0111800300000000".padEnd(80, "0"), "hex");
IMPORT_REQUEST.write("zero", 8);
const IMPORT_REPLY_SIZE = 320;
const REPLY_HEAD_SIZE = 8;
const SET_CONFIGURATION_3 = [0x00, 0x09, 3, 0, 0, 0, 0, 0];
const BODY = HeaderBasic.size;

/** What a link carried. Times in microseconds. */
export interface LinkFigures {
  readonly urbsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Asks the gadget zero at the other end of a link for transfers, some of them at a time, in this thread. */
export class LinkLoad {
  readonly #link: Link;
  readonly #case: Case;
  readonly #started: number[] = [];
  readonly #latencies: number[] = [];
  #devid = 0;
  #seqnum = 1;
  /** Bytes of the present reply that have come, and those that are kept of its header. */
  #filled = 0;
  readonly #header = Buffer.alloc(IMPORT_REPLY_SIZE);
  #expected = IMPORT_REPLY_SIZE;
  #kept = IMPORT_REPLY_SIZE;
  #step: (header: Buffer) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(link: Link, one: Case) {
    this.#link = link;
    this.#case = one;
  }

  /** Rejects when a reply is wrong or the link ends. */
  async run(warmMs: number, measureMs: number): Promise<LinkFigures> {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    failed.catch(() => {});
    this.#link.start(
      (bytes) => this.#receive(bytes),
      (cause) => this.#fail(cause ?? new Error("the host closed the link")),
    );
    try {
      return await Promise.race([failed, this.#play(warmMs, measureMs)]);
    } finally {
      this.#link.destroy();
    }
  }

  async #play(warmMs: number, measureMs: number): Promise<LinkFigures> {
    // The one before may not have given it back yet.
    let record = await this.#import();
    for (let tries = 0; record === undefined; tries++) {
      if (tries === 50) throw new Error('the host does not give "zero"');
      await sleep(20);
      record = await this.#import();
    }
    this.#devid = ((record.readUInt32BE(288) << 16) | record.readUInt32BE(292)) >>> 0;
    const configure = this.#command(0, 0, 0);
    configure.set(SET_CONFIGURATION_3, HEADER_SIZE - 8);
    await this.#ask(configure, HEADER_SIZE);
    return new Promise((resolve) => this.#load(warmMs, measureMs, resolve));
  }

  #load(warmMs: number, measureMs: number, done: (figures: LinkFigures) => void): void {
    const { direction, size, depth } = this.#case;
    const isIn = direction === "in";
    const message = this.#command(1, size, isIn ? 0 : size);
    const from = performance.now() + warmMs;
    const until = from + measureMs;
    let first = 0;
    const submit = (): void => {
      this.#started.push(performance.now());
      const bytes = Buffer.from(message);
      bytes.writeUInt32BE(this.#seqnum++, 4);
      this.#link.write([bytes], () => {});
    };
    this.#kept = HEADER_SIZE;
    this.#expected = HEADER_SIZE + (isIn ? size : 0);
    this.#step = (header) => {
      const nowMs = performance.now();
      const startedMs = this.#started.shift()!;
      if (RetSubmit.status(header, BODY) !== 0 || RetSubmit.actual_length(header, BODY) !== size) {
        this.#fail(new Error("a transfer failed"));
        return;
      }
      if (nowMs >= from) {
        first ||= nowMs;
        this.#latencies.push((nowMs - startedMs) * 1_000);
      }
      if (nowMs >= until) {
        this.#step = () => {};
        done(this.#figures((nowMs - first) / 1_000, size));
      } else submit();
    };
    for (let i = 0; i < depth; i++) submit();
  }

  #figures(seconds: number, size: number): LinkFigures {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const urbsPerSecond = (sorted.length - 1) / seconds;
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)]!;
    return {
      urbsPerSecond,
      megabytesPerSecond: (urbsPerSecond * size) / 1e6,
      p50Us: at(0.5),
      p99Us: at(0.99),
    };
  }

  /** The record of the device behind the head of the reply; nothing if it is refused. */
  #import(): Promise<Buffer | undefined> {
    this.#expected = REPLY_HEAD_SIZE;
    this.#kept = REPLY_HEAD_SIZE;
    const answer = new Promise<Buffer | undefined>((resolve) => {
      this.#step = (head) => {
        if (head.readUInt32BE(4) !== 0) {
          resolve(undefined);
          return;
        }
        this.#expected = IMPORT_REPLY_SIZE - REPLY_HEAD_SIZE;
        this.#kept = this.#expected;
        this.#step = (record) => resolve(Buffer.from(record));
      };
    });
    this.#link.write([IMPORT_REQUEST], () => {});
    return answer;
  }

  #ask(request: Uint8Array, length: number): Promise<Buffer> {
    this.#expected = length;
    this.#kept = length;
    const answer = new Promise<Buffer>((resolve) => {
      this.#step = (header) => resolve(Buffer.from(header));
    });
    this.#link.write([request], () => {});
    return answer;
  }

  #command(ep: number, length: number, payload: number): Buffer {
    const bytes = Buffer.alloc(HEADER_SIZE + payload);
    const direction = this.#case.direction === "in" && ep > 0 ? 1 : 0;
    const words = { command: Command.CMD_SUBMIT, seqnum: this.#seqnum++, devid: this.#devid, direction, ep };
    HeaderBasic.encodeInto(words, bytes, 0);
    CmdSubmit.put.transfer_buffer_length(bytes, BODY, length);
    return bytes;
  }

  #receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(this.#expected - this.#filled, bytes.length - at);
      if (this.#filled < this.#kept) {
        this.#header.set(bytes.subarray(at, at + Math.min(length, this.#kept - this.#filled)), this.#filled);
      }
      this.#filled += length;
      at += length;
      if (this.#filled === this.#expected) {
        this.#filled = 0;
        this.#step(this.#header);
      }
    }
  }
}
