import type { Socket } from "node:net";
import type { DeviceEvent } from "../../src/daemon/device-event.ts";
import { open, type Place } from "./api-client.ts";

/** Reads server-sent events as they come. */
export class EventReader {
  readonly events: DeviceEvent[] = [];
  readonly ids: number[] = [];
  readonly socket: Socket;
  heartbeats = 0;
  begun = false;
  #unread = "";
  closed = false;

  constructor(place: Place, query = "", headers = "") {
    this.socket = open(place);
    this.socket.setEncoding("utf8");
    this.socket.on("data", (chunk: string) => {
      this.begun = true;
      this.#receive(chunk);
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.socket.write(`GET /v1/events${query} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  }

  /** Waits until the condition holds of what has come. */
  async until(condition: (reader: this) => boolean): Promise<void> {
    const endMs = performance.now() + 20_000;
    while (!condition(this)) {
      if (performance.now() > endMs)
        throw new Error(`did not come; what came ends with:\n${JSON.stringify(this.events.at(-1))}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(chunk: string): void {
    this.#unread += chunk;
    const end = this.#unread.lastIndexOf("\n\n") + 2;
    if (end < 2) return;
    const whole = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end);
    for (const [, id, kind, data] of whole.matchAll(/id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n/g)) {
      const event = JSON.parse(data!) as DeviceEvent;
      if (event.kind !== kind || event.sequence !== Number(id)) throw new Error(`${id} ${kind}: ${data}`);
      this.events.push(event);
      this.ids.push(Number(id));
    }
    this.heartbeats += whole.split(": heartbeat\n\n").length - 1;
  }
}
