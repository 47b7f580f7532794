import { requireSame } from "./target.ts";
import { OP_IMPORT, word } from "./usbip-message.ts";

/** What the exports of the server under test are. */
export interface HandshakeRules {
  /** Status of the answer to an import, by bus id; others do not exist. */
  readonly imports: ReadonlyMap<string, number>;
  /** Bus ids in the list, with their interfaces. */
  readonly listed: ReadonlyMap<string, number>;
}

const NO_DEVICE = 4;
const OP_EVENTS = 0x8e01;
const RECORD = 312;

/** The requests before the URB phase, and the answers they must get, in order. */
export class HandshakeOracle {
  readonly #rules: HandshakeRules;
  /** Answers that are owed: to a list, to events, or the bus id of an import. */
  readonly #owed: ("a list" | "events" | { readonly busid: string })[] = [];
  faults: readonly string[] = [];
  /** The request that opens the URB phase was sent. */
  imported = false;

  constructor(rules: HandshakeRules) {
    this.#rules = rules;
  }

  get unanswered(): number {
    return this.#owed.length;
  }

  /** Reads one request; gives its size, or nothing while it is not whole or wrong. */
  send(bytes: Uint8Array): number | undefined {
    if (bytes.length >= 2 && (bytes[0] !== 0x01 || bytes[1] !== 0x11)) this.faults = ["BAD_VERSION"];
    else if (bytes.length >= 4 && ![0x8003, 0x8005, OP_EVENTS].includes((bytes[2]! << 8) | bytes[3]!))
      this.faults = ["BAD_COMMAND"];
    else if (bytes.length >= 8 && word(bytes, 4) !== 0) this.faults = ["BAD_FIELD"];
    if (this.faults.length > 0 || bytes.length < 8) return undefined;
    if (bytes[3] === 5) {
      this.#owed.push("a list");
      return 8;
    }
    if (bytes[3] === (OP_EVENTS & 0xff)) {
      if (bytes.length < 12) return undefined;
      this.#owed.push("events");
      return 12;
    }
    if (bytes.length < OP_IMPORT) return undefined;
    const busid = Buffer.from(bytes.subarray(8, OP_IMPORT)).toString("latin1").split("\0", 1)[0]!;
    this.#owed.push({ busid });
    this.imported = this.#rules.imports.get(busid) === 0;
    return OP_IMPORT;
  }

  /** Takes the answers off the front; gives the rest. */
  receive(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    while (rest.length > 0 && this.#owed.length > 0) {
      requireSame(rest.length >= 8, true, "a whole reply in one write");
      const owed = this.#owed.shift()!;
      if (owed === "a list") rest = this.#list(rest);
      else rest = owed === "events" ? this.#noEvents(rest) : this.#import(rest, owed.busid);
    }
    return rest;
  }

  #import(bytes: Uint8Array, busid: string): Uint8Array {
    const status = this.#rules.imports.get(busid) ?? NO_DEVICE;
    requireSame(word(bytes, 0), 0x01110003, "OP_REP_IMPORT");
    requireSame(word(bytes, 4), status, `status of the import of ${busid}`);
    if (status !== 0) return bytes.subarray(8);
    requireSame(bytes.length >= 8 + RECORD, true, "a whole record in one write");
    requireSame(busidOf(bytes, 8), busid, "busid of the record");
    return bytes.subarray(8 + RECORD);
  }

  /** These exports tell nobody of changes. */
  #noEvents(bytes: Uint8Array): Uint8Array {
    requireSame(word(bytes, 0), 0x01110e01, "OP_REP_EVENTS");
    requireSame(word(bytes, 4), 1, "status of events that are refused");
    return bytes.subarray(8);
  }

  #list(bytes: Uint8Array): Uint8Array {
    requireSame(word(bytes, 0), 0x01110005, "OP_REP_DEVLIST");
    requireSame(word(bytes, 4), 0, "status of a list");
    requireSame(word(bytes, 8), this.#rules.listed.size, "devices of a list");
    let at = 12;
    for (const [busid, interfaces] of this.#rules.listed) {
      requireSame(busidOf(bytes, at), busid, "busid of a listed device");
      requireSame(bytes[at + RECORD - 1], interfaces, "interfaces of a listed device");
      at += RECORD + 4 * interfaces;
    }
    requireSame(bytes.length >= at, true, "a whole list in one write");
    return bytes.subarray(at);
  }
}

function busidOf(bytes: Uint8Array, record: number): string {
  const field = bytes.subarray(record + 256, record + 288);
  return Buffer.from(field).toString("latin1").split("\0", 1)[0]!;
}
