import { ProtocolError } from "../wire/protocol-error.ts";
import {
  DeviceRecord,
  type DeviceRecordValue,
  ImportRequest,
  OpCode,
  OpCommon,
  OpStatus,
  USBIP_VERSION,
} from "./pdu.ts";

/** The host answered rightly, and does not give the device. */
export class ImportRefusal {
  /** `OpStatus`, or a number that has no name. */
  readonly status: number;

  constructor(status: number) {
    this.status = status;
  }
}

export type ImportAnswer = DeviceRecordValue | ImportRefusal | ProtocolError;

/** Whole size of a reply that gives the device: what follows belongs to the URB phase. */
export const IMPORT_REPLY_SIZE = OpCommon.size + DeviceRecord.size;

/** Client side of OP_REQ_IMPORT: fed the bytes of the host, it answers once. */
export class DeviceImportRequest {
  /** What to send to the host. */
  readonly request: Uint8Array;
  readonly #busid: string;
  readonly #answer: (answer: ImportAnswer, rest: Uint8Array) => void;
  readonly #reply = new Uint8Array(IMPORT_REPLY_SIZE);
  #length = 0;
  #answered = false;

  /** `rest`: bytes that came behind the reply, which no request has called for. */
  constructor(busid: string, answer: (answer: ImportAnswer, rest: Uint8Array) => void) {
    this.#busid = busid;
    this.#answer = answer;
    this.request = new Uint8Array(OpCommon.size + ImportRequest.size);
    const head = { version: USBIP_VERSION, code: OpCode.OP_REQ_IMPORT, status: 0 };
    OpCommon.encodeInto(head, this.request, 0);
    ImportRequest.encodeInto({ busid }, this.request, OpCommon.size);
  }

  receive(bytes: Uint8Array): void {
    if (this.#answered) return;
    const taken = bytes.subarray(0, IMPORT_REPLY_SIZE - this.#length);
    this.#reply.set(taken, this.#length);
    this.#length += taken.length;
    const answer = this.#read();
    if (answer !== undefined) this.#finish(answer, bytes.subarray(taken.length));
  }

  /** The host closed the connection. */
  ended(): void {
    const seen = `${this.#length} of ${IMPORT_REPLY_SIZE} bytes of its answer`;
    this.#finish(new ProtocolError("TRUNCATED", `the host closed after ${seen}`), this.#reply.subarray(0, 0));
  }

  #finish(answer: ImportAnswer, rest: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#answer(answer, rest);
  }

  #read(): ImportAnswer | undefined {
    if (this.#length < OpCommon.size) return undefined;
    const head = readReplyHead(this.#reply, OpCode.OP_REP_IMPORT, "OP_REP_IMPORT");
    if (head instanceof ProtocolError) return head;
    if (head !== OpStatus.ST_OK) return new ImportRefusal(head);
    if (this.#length < IMPORT_REPLY_SIZE) return undefined;
    const record = DeviceRecord.decode(this.#reply, OpCommon.size);
    if (record instanceof ProtocolError) return record;
    if (record.busid === this.#busid) return record;
    return new ProtocolError("BAD_FIELD", `"${this.#busid}" was asked for, "${record.busid}" is given`);
  }
}

/** The status of a reply, or why this is no reply of that code. */
export function readReplyHead(bytes: Uint8Array, expected: number, name: string): number | ProtocolError {
  const version = OpCommon.version(bytes, 0);
  if (version !== USBIP_VERSION) {
    return new ProtocolError(
      "BAD_VERSION",
      `the host answers with version 0x${version.toString(16)}, USB/IP is 0x111`,
    );
  }
  const code = OpCommon.code(bytes, 0);
  if (code !== expected) {
    return new ProtocolError("BAD_COMMAND", `the host answers 0x${code.toString(16)}, which is not ${name}`);
  }
  return OpCommon.status(bytes, 0);
}
