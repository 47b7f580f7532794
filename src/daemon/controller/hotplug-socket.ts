import { closeSync } from "node:fs";
import type { UnixAddress } from "../../links/address.ts";
import { DescriptorListener } from "../../links/descriptor-listener.ts";
import { DescriptorReceiver } from "../../linux/descriptor-passing.ts";
import { StreamSockets, WOULD_BLOCK } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { HotplugOperation, HotplugRequest, listAnswer } from "./hotplug-message.ts";
import type { PassedDevices } from "./passed-devices.ts";

/** More clients at a time are sent away. */
const CLIENTS_MAX = 16;
/** For three bytes. */
const SILENCE_MS = 5_000;

/**
 * A unix socket where whoever may open devices hands them over, as `remote` of usbvfiod does. One request for each connection, one
 * after the other; who says anything else is left without an answer.
 */
export class HotplugSocket implements ClientEvents {
  readonly #loop: Loop;
  readonly #devices: PassedDevices;
  readonly #sockets: StreamSockets;
  readonly #clients = new Set<HotplugClient>();
  #listener: DescriptorListener | undefined;
  /** The request that is being carried out, and all before it. */
  #working: Promise<void> = Promise.resolve();

  private constructor(loop: Loop, devices: PassedDevices, sockets: StreamSockets) {
    this.#loop = loop;
    this.#devices = devices;
    this.#sockets = sockets;
  }

  /** Rejects with a LinkError, or a SystemError where descriptors cannot be passed. */
  static async bind(address: UnixAddress, loop: Loop, devices: PassedDevices): Promise<HotplugSocket> {
    const sockets = StreamSockets.open();
    if (sockets instanceof SystemError) throw sockets;
    const socket = new HotplugSocket(loop, devices, sockets);
    socket.#listener = await DescriptorListener.bind(address, (fd) => socket.#accept(fd));
    return socket;
  }

  /** Nobody is heard any more; resolves when what was asked for is done. */
  async close(): Promise<void> {
    this.#listener?.close();
    for (const client of this.#clients) client.close();
    await this.#working;
  }

  #accept(fd: number): void {
    const client = this.#clients.size < CLIENTS_MAX ? HotplugClient.open(fd, this.#loop, this) : undefined;
    if (client === undefined) closeSync(fd);
    else this.#clients.add(client);
  }

  asked(client: HotplugClient, request: Uint8Array, passed: number | undefined): void {
    this.#working = this.#working.then(async () => {
      const answer = await this.#carryOut(request, passed);
      if (answer !== undefined) client.answer(this.#sockets, answer);
      client.close();
    });
  }

  closed(client: HotplugClient): void {
    this.#clients.delete(client);
  }

  /** Nothing for what is no request. */
  async #carryOut(request: Uint8Array, passed: number | undefined): Promise<Uint8Array | undefined> {
    const operation = HotplugRequest.operation(request, 0);
    const numbers = { busnum: HotplugRequest.bus(request, 0), devnum: HotplugRequest.device(request, 0) };
    if (passed !== undefined) {
      if (operation === HotplugOperation.attach) {
        return Uint8Array.of(await this.#devices.attach(numbers, passed));
      }
      closeSync(passed);
      return undefined;
    }
    if (operation === HotplugOperation.detach) return Uint8Array.of(await this.#devices.detach(numbers));
    return operation === HotplugOperation.list ? listAnswer(this.#devices.list()) : undefined;
  }
}

interface ClientEvents {
  /** Owns what was passed. */
  asked(client: HotplugClient, request: Uint8Array, passed: number | undefined): void;
  closed(client: HotplugClient): void;
}

/** A connection, until it has said three bytes. */
class HotplugClient {
  readonly #fd: number;
  readonly #events: ClientEvents;
  readonly #receiver: DescriptorReceiver;
  readonly #request: Uint8Array;
  #have = 0;
  #passed: number | undefined;
  readonly #watch: Cancellable;
  readonly #silence: Cancellable;
  #isClosed = false;

  private constructor(
    fd: number,
    loop: Loop,
    request: Uint8Array,
    receiver: DescriptorReceiver,
    events: ClientEvents,
  ) {
    this.#fd = fd;
    this.#events = events;
    this.#request = request;
    this.#receiver = receiver;
    this.#watch = loop.watch(fd, "readable", () => this.#read());
    this.#silence = loop.after(SILENCE_MS, () => this.close());
  }

  /** Owns the descriptor, unless there is nothing to be had here. */
  static open(fd: number, loop: Loop, events: ClientEvents): HotplugClient | undefined {
    const request = new Uint8Array(HotplugRequest.size);
    const receiver = DescriptorReceiver.open(request, 1);
    if (receiver instanceof SystemError) return undefined;
    return new HotplugClient(fd, loop, request, receiver, events);
  }

  answer(sockets: StreamSockets, bytes: Uint8Array): void {
    // Its socket has room for the only answer that it gets.
    if (!this.#isClosed) sockets.send(this.#fd, [bytes], 0, 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#rest();
    if (this.#passed !== undefined) closeSync(this.#passed);
    closeSync(this.#fd);
    this.#events.closed(this);
  }

  #read(): void {
    const length = this.#receiver.receive(this.#fd, this.#have);
    if (length === WOULD_BLOCK) return;
    if (length instanceof SystemError || length === 0 || !this.#take(this.#receiver.fds)) {
      this.close();
      return;
    }
    this.#have += length;
    if (this.#have < HotplugRequest.size) return;
    this.#rest();
    const passed = this.#passed;
    this.#passed = undefined;
    this.#events.asked(this, this.#request, passed);
  }

  /** False if more than one has come by now. */
  #take(fds: readonly number[]): boolean {
    const [fd] = fds;
    if (fd === undefined) return true;
    if (this.#passed !== undefined) {
      closeSync(fd);
      return false;
    }
    this.#passed = fd;
    return true;
  }

  /** Nothing more is heard of it. */
  #rest(): void {
    this.#watch.cancel();
    this.#silence.cancel();
  }
}
