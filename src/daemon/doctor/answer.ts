import type { Link } from "../../links/link.ts";
import type { LinkError } from "../../links/link-error.ts";
import { DeviceListRequest, type ListedDevice } from "../../usbip/device-list.ts";
import type { ProtocolError } from "../../wire/protocol-error.ts";

/** What a host did when it was asked for its devices. */
export interface Answer {
  readonly result: readonly ListedDevice[] | ProtocolError | "silent" | "cut";
  /** The first bytes that came, whatever they were. */
  readonly first: Uint8Array;
  /** From the request to the first byte. */
  readonly latencyMs: number;
  readonly cause?: LinkError | undefined;
}

const FIRST_BYTES = 64;
/** Ends a line, and the head of a request, for servers that wait for one. A USB/IP host has answered by then. */
const PROD = new Uint8Array([13, 10, 13, 10]);

/**
 * Asks for the list of devices. Who says nothing in `answerMs` is sent the end of a line and has `prodMs` more: a
 * server of another kind then complains in its own words. The link is dropped afterwards.
 */
export function askForDevices(link: Link, answerMs: number, prodMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    let latencyMs = 0;
    let first = new Uint8Array(0);
    const finish = (result: Answer["result"], cause?: LinkError): void => {
      clearTimeout(prod);
      clearTimeout(end);
      link.destroy();
      resolve({ result, first, latencyMs, cause });
    };
    const list = new DeviceListRequest((answer) => finish(answer));
    const prod = setTimeout(() => {
      if (first.length === 0) link.write([PROD], () => {});
    }, answerMs);
    const end = setTimeout(() => finish("silent"), answerMs + prodMs);
    link.start(
      (bytes) => {
        if (first.length === 0) latencyMs = performance.now() - startMs;
        if (first.length < FIRST_BYTES) {
          first = new Uint8Array([...first, ...bytes.subarray(0, FIRST_BYTES - first.length)]);
        }
        list.receive(bytes);
      },
      (cause) => {
        if (first.length === 0 || cause !== undefined) finish("cut", cause);
        else list.ended();
      },
    );
    link.write([list.request], () => {});
  });
}
