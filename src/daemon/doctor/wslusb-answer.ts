import type { Link } from "../../links/link.ts";
import type { LinkError } from "../../links/link-error.ts";
import type { ProtocolError } from "../../wire/protocol-error.ts";
import { WslusbClient } from "../../wslusb/client.ts";
import type { ListedDevice } from "../../wslusb/listed-device.ts";
import { EnumerationRequest, FrameHeader, MessageType } from "../../wslusb/messages.ts";
import { LibuvLoop } from "../libuv-loop.ts";

/** What a host did when it was greeted and asked for its devices. */
export interface WslusbAnswer {
  readonly result: readonly ListedDevice[] | ProtocolError | "silent" | "cut";
  /** The first bytes that came, whatever they were. */
  readonly first: Uint8Array;
  /** From each request for the list to its answer. */
  readonly timesMs: readonly number[];
  readonly cause?: LinkError | undefined;
}

const FIRST_BYTES = 64;
/** The list is asked for so often, as long as that takes no longer. */
const MEASURED = 5;
const MEASURE_MS = 2_000;

/**
 * What makes others speak: a DeviceEnumeration, with which a conversation of version 1 may begin, and the end of a line for
 * servers that wait for one.
 */
const PROD = Buffer.concat([
  FrameHeader.encode({
    type: MessageType.DeviceEnumeration,
    payload_size: EnumerationRequest.size,
    sequence_number: 1,
    reserved: 0,
  }),
  EnumerationRequest.encode({ flags: 0 }),
  Buffer.from("\r\n\r\n"),
]);

/** Greets, and asks for the list. Who says nothing in `answerMs` is prodded and has `prodMs` more. The link is dropped afterwards. */
export function askOverWslusb(link: Link, answerMs: number, prodMs: number): Promise<WslusbAnswer> {
  return new Promise((resolve) => {
    const timesMs: number[] = [];
    let first: Uint8Array = new Uint8Array(0);
    let devices: readonly ListedDevice[] | undefined;
    const finish = (result: WslusbAnswer["result"], cause?: LinkError): void => {
      clearTimeout(prod);
      clearTimeout(end);
      client.disconnected();
      link.destroy();
      resolve({ result: devices ?? result, first, timesMs, cause });
    };
    const client = new WslusbClient(new LibuvLoop(), {
      write: (chunks, written) => link.write(chunks, written),
      end: (error) => finish(error),
      takenBack: () => {},
      changed: () => {},
    });
    const endMs = performance.now() + MEASURE_MS;
    const list = (): void => {
      const askedMs = performance.now();
      client.list(false, (listed) => {
        if (listed === undefined) return;
        devices ??= listed;
        timesMs.push(performance.now() - askedMs);
        if (timesMs.length < MEASURED && performance.now() < endMs) setImmediate(list);
        else finish(devices);
      });
    };
    const prod = setTimeout(() => {
      if (first.length === 0) link.write([PROD], () => {});
    }, answerMs);
    const end = setTimeout(() => finish("silent"), answerMs + prodMs);
    link.start(
      (bytes) => {
        if (first.length < FIRST_BYTES) {
          first = new Uint8Array([...first, ...bytes.subarray(0, FIRST_BYTES - first.length)]);
        }
        client.receive(bytes);
      },
      (cause) => finish("cut", cause),
    );
    client.greet(list);
  });
}
