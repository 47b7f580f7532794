import { setTimeout as sleep } from "node:timers/promises";
import { CmdSubmit, Command, HEADER_SIZE, HeaderBasic, RetSubmit } from "../../src/usbip/pdu.ts";
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

const IMPORT_REQUEST = Buffer.from("0111800300000000".padEnd(80, "0"), "hex");
IMPORT_REQUEST.write(ZERO, 8);
const IMPORT_REPLY_SIZE = 320;
const REPLY_HEAD_SIZE = 8;
const BODY = HeaderBasic.size;

/** Over USB/IP. */
export class UsbipTalk implements Talk {
  readonly #case: Case;
  readonly #owner: TalkOwner;
  readonly #reader = new PartReader(IMPORT_REPLY_SIZE);
  readonly #data: Uint8Array;
  #due: Uint8Array[] = [];
  #devid = 0;
  #seqnum = 1;
  #head: Buffer = Buffer.alloc(0);

  constructor(one: Case, owner: TalkOwner) {
    this.#case = one;
    this.#owner = owner;
    this.#data = new Uint8Array(one.direction === "in" ? 0 : one.size);
  }

  async begin(): Promise<void> {
    let record = await this.#import();
    for (let tries = 0; record === undefined; tries++) {
      if (tries === TRIES) throw new Error(`the host does not give "${ZERO}"`);
      await sleep(BETWEEN_TRIES_MS);
      record = await this.#import();
    }
    this.#devid = ((record.readUInt32BE(288) << 16) | record.readUInt32BE(292)) >>> 0;
    await this.#configure();
    const { direction, size } = this.#case;
    this.#head = this.#command(BULK_ENDPOINT, size);
    this.#reader.expect(HEADER_SIZE + (direction === "in" ? size : 0), HEADER_SIZE, () => this.#answered());
  }

  submit(): void {
    const head = Buffer.from(this.#head);
    HeaderBasic.put.seqnum(head, 0, this.#seqnum++);
    this.#due.push(head);
    if (this.#data.length > 0) this.#due.push(this.#data);
  }

  flush(): void {
    const due = this.#due;
    this.#due = [];
    if (due.length > 0) this.#owner.write(due);
  }

  receive(bytes: Uint8Array): void {
    this.#reader.receive(bytes);
  }

  #answered(): void {
    const reply = this.#reader.bytes;
    const isWhole = RetSubmit.actual_length(reply, BODY) === this.#case.size;
    if (RetSubmit.status(reply, BODY) === 0 && isWhole) this.#owner.answered();
    else this.#owner.failed(new Error("a transfer failed"));
  }

  /** The record of the device behind the head of the reply; nothing if it is refused. */
  #import(): Promise<Buffer | undefined> {
    const { bytes } = this.#reader;
    const recordSize = IMPORT_REPLY_SIZE - REPLY_HEAD_SIZE;
    const answer = new Promise<Buffer | undefined>((resolve) => {
      this.#reader.expect(REPLY_HEAD_SIZE, REPLY_HEAD_SIZE, () => {
        if (bytes.readUInt32BE(4) !== 0) resolve(undefined);
        else this.#reader.expect(recordSize, recordSize, () => resolve(Buffer.from(bytes)));
      });
    });
    this.#owner.write([IMPORT_REQUEST]);
    return answer;
  }

  #configure(): Promise<void> {
    const request = this.#command(0, 0);
    request.set(SET_CONFIGURATION_3, HEADER_SIZE - SET_CONFIGURATION_3.length);
    const answer = new Promise<void>((resolve) => {
      this.#reader.expect(HEADER_SIZE, HEADER_SIZE, resolve);
    });
    this.#owner.write([request]);
    return answer;
  }

  #command(ep: number, length: number): Buffer {
    const bytes = Buffer.alloc(HEADER_SIZE);
    const direction = this.#case.direction === "in" && ep > 0 ? 1 : 0;
    const words = { command: Command.CMD_SUBMIT, seqnum: this.#seqnum++, devid: this.#devid, direction, ep };
    HeaderBasic.encodeInto(words, bytes, 0);
    CmdSubmit.put.transfer_buffer_length(bytes, BODY, length);
    return bytes;
  }
}
