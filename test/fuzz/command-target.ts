import { CommandReader, type CommandTarget } from "../../src/usbip/command-reader.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { joined } from "./mutation.ts";
import { SESSIONS } from "./session-corpus.ts";
import { mutateSession } from "./session-mutation.ts";
import { cut, requireSame, requireSameBytes, type Target } from "./target.ts";
import { AT, faultsOf, HEADER, OP_IMPORT, PACKET, partsOf, putWord, word } from "./usbip-message.ts";

/** Payloads above this are read and dropped, as those of refused transfers are. */
const KEPT_MAX = 4096;

/** Writes down what a reader finds, in the form of the stream it came from. */
class Transcript implements CommandTarget {
  readonly parts: Uint8Array[] = [];
  #payload: Uint8Array | undefined;

  submit(
    view: DataView,
    at: number,
    endpoint: number,
    length: number,
    numberOfPackets: number,
  ): ProtocolError | undefined {
    const header = copyOf(view, at, HEADER);
    requireSame(endpoint, word(header, AT.ep) + 128 * word(header, AT.direction), "the endpoint");
    requireSame(length, word(header, AT.length), "the length");
    requireSame(numberOfPackets, word(header, AT.numberOfPackets) | 0, "the number of packets");
    if (word(header, AT.devid) !== 0x00010002) return new ProtocolError("BAD_DEVICE", "");
    this.parts.push(header);
    const { payload } = partsOf(header, 0);
    this.#payload = payload > KEPT_MAX ? undefined : new Uint8Array(payload);
    if (this.#payload !== undefined) this.parts.push(this.#payload);
    return undefined;
  }

  payload(bytes: Uint8Array, at: number, length: number, position: number): void {
    this.#payload?.set(bytes.subarray(at, at + length), position);
  }

  packet(index: number, descriptor: DataView, at: number): void {
    this.parts.push(Uint8Array.of(index, index >> 8), copyOf(descriptor, at, PACKET));
  }

  submitted(): void {
    this.parts.push(Uint8Array.of(0xee));
  }

  unlink(view: DataView, at: number): ProtocolError | undefined {
    const header = copyOf(view, at, HEADER);
    if (word(header, AT.devid) !== 0x00010002) return new ProtocolError("BAD_DEVICE", "");
    this.parts.push(header);
    return undefined;
  }
}

function copyOf(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

/** What the transcript must be, and the codes of which one must end the reading. */
function expected(stream: Uint8Array): { parts: Uint8Array; faults: readonly string[] } {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER <= stream.length) {
    const faults = faultsOf(stream, at);
    if (faults.length > 0) return { parts: joined(parts), faults };
    const header = stream.subarray(at, at + HEADER);
    parts.push(header);
    at += HEADER;
    if (word(header, AT.command) === 2) continue;
    const { payload, packets } = partsOf(header, 0);
    if (payload <= KEPT_MAX) {
      const kept = new Uint8Array(payload);
      kept.set(stream.subarray(at, at + payload));
      parts.push(kept);
    }
    at += payload;
    for (let i = 0; i < packets && at + PACKET <= stream.length; i++, at += PACKET) {
      parts.push(Uint8Array.of(i, i >> 8), stream.subarray(at, at + PACKET));
      if (i === packets - 1) parts.push(Uint8Array.of(0xee));
    }
    if (packets > 0 && at + PACKET > stream.length && parts.at(-1)!.length !== 1) break;
    if (packets === 0 && at <= stream.length) parts.push(Uint8Array.of(0xee));
  }
  return { parts: joined(parts), faults: [] };
}

const STREAMS = SESSIONS.filter((session) => session[0]!.length === OP_IMPORT).map((session) =>
  joined(session.filter((message) => message.length >= HEADER)),
);

export const commandTarget: Target = {
  name: "CommandReader",
  corpus: STREAMS,
  mutant: (random) => {
    const stream = mutateSession(random);
    const bytes = stream.subarray(Math.min(OP_IMPORT, stream.length));
    // Some without a payload to speak of: the edge where a part needs no byte.
    if (random.oneIn(10) && bytes.length >= HEADER) putWord(bytes, AT.length, 0);
    return bytes;
  },
  judge(bytes, random) {
    const transcript = new Transcript();
    const reader = new CommandReader(transcript);
    let error: ProtocolError | undefined;
    for (const piece of cut(bytes, random)) {
      // A copy that is spoiled afterwards: bytes are not kept after the call.
      const own = piece.slice();
      error = reader.receive(own);
      own.fill(0xdd);
      if (error !== undefined) break;
    }
    const { parts, faults } = expected(bytes);
    if (error !== undefined)
      requireSame(faults.includes(error.code), true, `${error.code} among ${faults.join(", ")}`);
    else requireSame(faults.length, 0, "faults that were not seen");
    requireSameBytes(joined(transcript.parts), parts, "what was read");
    return error === undefined ? "value" : "error";
  },
};
