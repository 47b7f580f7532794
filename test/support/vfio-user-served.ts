import assert from "node:assert/strict";
import { closeSync, readdirSync, readFileSync } from "node:fs";
import type { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { EventDescriptor } from "../../src/linux/event-descriptor.ts";
import { MappedFile } from "../../src/linux/mapped-file.ts";
import { createMemoryFile } from "../../src/linux/memory-file.ts";
import type { ConnectionEnd } from "../../src/vfio-user/connection.ts";
import { DmaTable } from "../../src/vfio-user/dma-table.ts";
import { MsixVectors } from "../../src/vfio-user/msix-vectors.ts";
import { PciFunction } from "../../src/vfio-user/pci-function.ts";
import { VfioUserServer } from "../../src/vfio-user/server.ts";
import { CopyEngine } from "./copy-engine.ts";
import { openPair, openPollLoop } from "./poll-loop.ts";
import { VfioUserClient } from "./vfio-user-client.ts";

/** A copy engine, served, and whoever connects to it. */
export class ServedEngine {
  readonly loop: PollLoop = openPollLoop();
  readonly memory = new DmaTable();
  readonly engine: CopyEngine;
  readonly server: VfioUserServer;
  /** Why connections are over. */
  readonly ends: ConnectionEnd[] = [];
  refused = 0;

  constructor() {
    const vectors = new MsixVectors(3);
    this.engine = new CopyEngine(this.memory, vectors, (callback) => this.loop.soon(callback));
    this.server = new VfioUserServer(new PciFunction(this.engine, this.memory, vectors), this.loop, {
      connected: () => {},
      disconnected: (cause) => void this.ends.push(cause),
      refused: () => void this.refused++,
    });
  }

  connect(): VfioUserClient {
    const [ours, theirs] = openPair();
    this.server.take(ours);
    return new VfioUserClient(theirs, this.loop);
  }

  /** One that has agreed on a version, and lets the function reach memory. */
  greeted(): VfioUserClient {
    const client = this.connect();
    assert.equal(client.greet().error, 0);
    client.poke(7, 4, 2, 6);
    return client;
  }
}

/** Memory of a guest, as its VMM has it. */
export class ClientMemory {
  readonly fd: number;
  readonly #file: MappedFile;

  constructor(length: number) {
    const fd = createMemoryFile("usbferry client", length);
    assert(typeof fd === "number");
    const file = MappedFile.of(fd, 0, length, true);
    assert(file instanceof MappedFile);
    this.fd = fd;
    this.#file = file;
  }

  bytes(offset: number, length: number): Uint8Array {
    return this.#file.view(offset, length)!;
  }

  close(): void {
    this.#file.free();
    closeSync(this.fd);
  }
}

/** An event that a client waits for. */
export class ClientEvent {
  readonly fd: number;

  constructor() {
    const event = EventDescriptor.open();
    assert(event instanceof EventDescriptor);
    this.fd = event.fd;
  }

  /** How often it was signalled. */
  get count(): number {
    const text = readFileSync(`/proc/self/fdinfo/${this.fd}`, "latin1");
    return Number.parseInt(/eventfd-count:\s*([0-9a-f]+)/.exec(text)![1]!, 16);
  }

  close(): void {
    closeSync(this.fd);
  }
}

export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
