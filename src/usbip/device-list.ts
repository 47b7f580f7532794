import { ProtocolError } from "../wire/protocol-error.ts";
import { readReplyHead } from "./device-import.ts";
import {
  DeviceRecord,
  type DeviceRecordValue,
  DevlistReply,
  InterfaceRecord,
  type InterfaceRecordValue,
  OpCode,
  OpCommon,
  OpStatus,
  USBIP_VERSION,
} from "./pdu.ts";

/** A device as a USB/IP host lists it. */
export interface ListedDevice extends DeviceRecordValue {
  readonly interfaces: readonly InterfaceRecordValue[];
}

/** Far above any host: the kernel's client has 1,920 ports at most. */
const MAX_DEVICES = 4096;
const HEAD_SIZE = OpCommon.size + DevlistReply.size;

/** Client side of OP_REQ_DEVLIST: fed the bytes of the host, it answers once. */
export class DeviceListRequest {
  /** What to send to the host. */
  readonly request = OpCommon.encode({ version: USBIP_VERSION, code: OpCode.OP_REQ_DEVLIST, status: 0 });
  readonly #answer: (devices: readonly ListedDevice[] | ProtocolError) => void;
  readonly #devices: ListedDevice[] = [];
  #unread: Uint8Array = new Uint8Array(0);
  /** Devices announced, as soon as the head of the reply is there. */
  #announced: number | undefined;
  #answered = false;

  constructor(answer: (devices: readonly ListedDevice[] | ProtocolError) => void) {
    this.#answer = answer;
  }

  receive(bytes: Uint8Array): void {
    if (this.#answered) return;
    const unread = new Uint8Array(this.#unread.length + bytes.length);
    unread.set(this.#unread);
    unread.set(bytes, this.#unread.length);
    const rest = this.#read(unread);
    if (rest instanceof ProtocolError) this.#finish(rest);
    else if (this.#devices.length === this.#announced) this.#finish(this.#devices);
    else this.#unread = unread.slice(rest);
  }

  /** The host closed the connection. */
  ended(): void {
    this.#finish(
      new ProtocolError(
        "TRUNCATED",
        `the host closed after ${this.#devices.length} of ${this.#announced ?? "unknown"} devices`,
      ),
    );
  }

  #finish(result: readonly ListedDevice[] | ProtocolError): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#answer(result);
  }

  /** Takes what is whole; gives the position of the first byte that is not. */
  #read(bytes: Uint8Array): number | ProtocolError {
    let at = 0;
    if (this.#announced === undefined) {
      const head = readHead(bytes);
      if (head === undefined || head instanceof ProtocolError) return head ?? 0;
      this.#announced = head;
      at = HEAD_SIZE;
    }
    while (this.#devices.length < this.#announced) {
      const device = readDevice(bytes, at);
      if (device === undefined) break;
      this.#devices.push(device);
      at += DeviceRecord.size + device.interfaces.length * InterfaceRecord.size;
    }
    return at;
  }
}

function readHead(bytes: Uint8Array): number | ProtocolError | undefined {
  if (bytes.length < OpCommon.size) return undefined;
  const status = readReplyHead(bytes, OpCode.OP_REP_DEVLIST, "OP_REP_DEVLIST");
  if (status instanceof ProtocolError) return status;
  if (status !== OpStatus.ST_OK)
    return new ProtocolError("BAD_FIELD", `the host refuses with status ${status}`);
  if (bytes.length < HEAD_SIZE) return undefined;
  const ndev = DevlistReply.ndev(bytes, OpCommon.size);
  if (ndev > MAX_DEVICES) return new ProtocolError("BAD_LENGTH", `the host announces ${ndev} devices`);
  return ndev;
}

function readDevice(bytes: Uint8Array, at: number): ListedDevice | undefined {
  const record = DeviceRecord.decode(bytes, at);
  if (record instanceof ProtocolError) return undefined;
  const interfaces: InterfaceRecordValue[] = [];
  for (let i = 0; i < record.bNumInterfaces; i++) {
    const value = InterfaceRecord.decode(bytes, at + DeviceRecord.size + i * InterfaceRecord.size);
    if (value instanceof ProtocolError) return undefined;
    interfaces.push(value);
  }
  return { ...record, interfaces };
}
