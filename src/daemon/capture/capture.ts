import type { Writable } from "node:stream";
import { numberOf } from "../../capture/block-options.ts";
import { BlockReader, blockTypeOf, isTraffic } from "../../capture/block-reader.ts";
import {
  BlockType,
  InterfaceStatistics,
  interfaceStatistics,
  LARGEST_PACKET,
  Option,
} from "../../capture/pcapng.ts";
import type { ProtocolError } from "../../wire/protocol-error.ts";
import { CAPTURE_HEADER } from "../api/capture-stream.ts";
import { askDaemon, openDaemonStream } from "../api/control-client.ts";
import { Failed, WrongUsage } from "../failure.ts";
import { openOutput } from "./capture-output.ts";
import { timeOfDayUs } from "./capture-subject.ts";
import type { CaptureTarget } from "./capture-target.ts";
import { LastPackets } from "./last-packets.ts";

/** What waits to be written; packets beyond it are lost. */
const WAITING_BYTES = 64 << 20;
/** How long a file may take for the rest when the recording is over. */
const FINISH_MS = 2_000;

export interface CaptureRequest {
  readonly target: CaptureTarget;
  /** A file, a FIFO or `-`. */
  readonly output: string;
  /** What of it is recorded: see `captureQuery`. */
  readonly query: string;
  /** Only the last packets are kept, of so many bytes, and written at the end. */
  readonly ringBytes?: number | undefined;
}

export interface CaptureOutcome {
  readonly packets: number;
  /** That passed and are not in the file. */
  readonly lost: number;
  /** That a ring has given up for later ones. */
  readonly overwritten: number;
  /** Who ended it. */
  readonly by: "signal" | "device" | "reader";
}

/** What every endpoint address looks like that can be asked for. */
const ENDPOINT = /^(?:0x)?([08]?[0-9a-f])$/i;

/**
 * Records a device until the signal is given, the device goes or nobody reads any more. Rejects with WrongUsage,
 * AccessDenied or Failed.
 */
export async function capture(
  request: CaptureRequest,
  begun: () => void,
  signal: AbortSignal,
): Promise<CaptureOutcome> {
  const { target, query } = request;
  const output = await openOutput(request.output, signal);
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  signal.addEventListener("abort", abort);
  const stream = await openDaemonStream(target.place, target.role, `${target.path}${query}`, gone.signal);
  signal.removeEventListener("abort", abort);
  if (stream === undefined)
    throw new Failed(`${target.name} is there no more. Look at it with \`usbferry list\`.`);
  begun();
  const recording = new Recording(output, request.ringBytes);
  const id = String(stream.headers[CAPTURE_HEADER]);
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = (by: CaptureOutcome["by"]): void => {
      if (isOver) return;
      isOver = true;
      stream.removeAllListeners("data");
      stream.destroy();
      resolve(recording.finish(by));
    };
    stream.on("data", (bytes: Buffer) => {
      const wrong = recording.receive(bytes);
      if (wrong === undefined) return;
      stream.destroy();
      reject(
        new Failed(`what the daemon records is no pcapng: ${wrong.message}. Start it and this command anew.`),
      );
    });
    // Our end, a daemon that ended, or the device: what came is whole in each case.
    stream.on("error", () => {});
    stream.on("close", () => end(signal.aborted ? "signal" : "device"));
    const leave = (): void => {
      // What was recorded until now still comes; a daemon that is stuck does not keep us.
      setTimeout(() => stream.destroy(), FINISH_MS).unref();
      void askDaemon(target.place, target.role, { method: "DELETE", path: `${target.path}/${id}` }).catch(
        () => stream.destroy(),
      );
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") end("reader");
      else reject(new Failed(`the recording cannot be written: ${error.message}. Give it another place.`));
      stream.destroy();
    });
    output.on("close", () => end("reader"));
  });
}

/**
 * Endpoint addresses in hexadecimal (all of them without any), and how much of each packet is kept, as the API takes them.
 * Throws WrongUsage.
 */
export function captureQuery(endpoints: readonly string[], snaplen: number | undefined): string {
  const addresses = endpoints.map((text) => {
    const address = ENDPOINT.exec(text)?.[1];
    if (address !== undefined) return address.toLowerCase();
    throw new WrongUsage(
      `"${text}" is no endpoint: write its address, as in 81 (IN), 2 (OUT), or 0 for the control endpoint.`,
    );
  });
  if (snaplen !== undefined && !(snaplen >= 64 && snaplen <= LARGEST_PACKET)) {
    throw new WrongUsage(`a packet is cut to 64 to ${LARGEST_PACKET} bytes, of which its header takes 64.`);
  }
  const parts = new URLSearchParams();
  if (addresses.length > 0) parts.set("endpoint", addresses.join(","));
  if (snaplen !== undefined) parts.set("snaplen", String(snaplen));
  return parts.size > 0 ? `?${parts.toString()}` : "";
}

/** The blocks that come, on their way to where they are written. */
class Recording {
  readonly #output: Writable;
  readonly #ring: LastPackets | undefined;
  readonly #reader = new BlockReader((block) => this.#take(block));
  readonly #startedUs = Math.floor(timeOfDayUs());
  #packets = 0;
  /** By the daemon, and here because nobody took them. */
  #lostThere = 0;
  #lostHere = 0;
  #overwritten = 0;

  constructor(output: Writable, ringBytes: number | undefined) {
    this.#output = output;
    this.#ring = ringBytes === undefined ? undefined : new LastPackets(ringBytes);
  }

  receive(bytes: Uint8Array): ProtocolError | undefined {
    return this.#reader.receive(bytes);
  }

  /** Writes what is left and how much it was, and waits a while until it is taken. */
  async finish(by: CaptureOutcome["by"]): Promise<CaptureOutcome> {
    const lost = this.#lostThere + this.#lostHere;
    const output = this.#output;
    if (!output.destroyed) {
      for (const block of this.#ring?.all() ?? []) output.write(block);
      output.write(
        interfaceStatistics({
          startedUs: this.#startedUs,
          endedUs: Math.floor(timeOfDayUs()),
          received: this.#packets + lost + this.#overwritten,
          dropped: lost + this.#overwritten,
        }),
      );
      await new Promise<void>((resolve) => {
        const patience = setTimeout(() => output.destroy(), FINISH_MS);
        const done = (): void => {
          clearTimeout(patience);
          resolve();
        };
        output.once("close", done);
        output.end(done);
      });
    }
    return { packets: this.#packets, lost, overwritten: this.#overwritten, by };
  }

  #take(block: Uint8Array): void {
    if (blockTypeOf(block) === BlockType.INTERFACE_STATISTICS) {
      this.#lostThere = numberOf(block, InterfaceStatistics.size, Option.isb_ifdrop) ?? 0;
    } else if (!isTraffic(block)) this.#output.write(block);
    else if (this.#ring !== undefined) {
      const gone = this.#ring.add(block);
      this.#packets += 1 - gone;
      this.#overwritten += gone;
    } else if (this.#output.writableLength > WAITING_BYTES) this.#lostHere++;
    else {
      this.#packets++;
      this.#output.write(block);
    }
  }
}
