import { printAddress } from "../links/address.ts";
import type { Loop } from "../usb/loop.ts";
import type { ListedDevice } from "../usbip/device-list.ts";
import { candidates, type DeviceChoice, type SerialChoice, someOf, theOne } from "./device-choice.ts";
import { Failed, failureKind } from "./failure.ts";
import type { RemotePlace } from "./place.ts";
import type { ReadyImport, RemoteHost } from "./remote-host.ts";
import type { RemoteHosts } from "./remote-hosts.ts";
import { ANOTHER, serialNumberOf } from "./serial-question.ts";

/** A host with many slow devices must not keep a person waiting: after so long no further one is asked. */
const SEARCH_MS = 60_000;

/**
 * Takes the one device of a host that is meant. Each step has a connection of its own, because stock hosts answer
 * one request on each. Every promise rejects with Failed or a LinkError, also when `signal` is aborted.
 */
export class RemoteSearch {
  readonly #place: RemotePlace;
  readonly #hosts: RemoteHosts;
  readonly #address: string;
  readonly #loop: Loop;
  readonly #signal: AbortSignal;

  constructor(place: RemotePlace, hosts: RemoteHosts, loop: Loop, signal: AbortSignal) {
    this.#place = place;
    this.#hosts = hosts;
    this.#address = printAddress(place);
    this.#loop = loop;
    this.#signal = signal;
  }

  async import(choice: DeviceChoice): Promise<ReadyImport> {
    if (choice.by === "busid") return this.#import(choice.busid);
    const devices = await this.#list();
    return choice.by === "id"
      ? this.#import(theOne(devices, choice, this.#address))
      : this.#importBySerial(candidates(devices, choice, this.#address), choice);
  }

  /** Only its name; whatever was taken to find it out is given back. */
  async busid(choice: DeviceChoice): Promise<string> {
    if (choice.by === "busid") return choice.busid;
    if (choice.by === "id") return theOne(await this.#list(), choice, this.#address);
    const { remote } = await this.import(choice);
    remote.close(ANOTHER);
    await remote.ended;
    return remote.record.busid;
  }

  /** Asks each for its serial number; all are asked, because a second one with the same must not be overlooked. */
  async #importBySerial(devices: readonly ListedDevice[], choice: SerialChoice): Promise<ReadyImport> {
    const endMs = this.#loop.now() + SEARCH_MS;
    const found: ReadyImport[] = [];
    const others: string[] = [];
    try {
      for (const { busid } of devices) {
        this.#mustGoOn();
        if (this.#loop.now() >= endMs) {
          others.push(`${busid} was not asked, the search took ${SEARCH_MS / 1_000} s`);
          continue;
        }
        // oxlint-disable-next-line no-await-in-loop -- a host may not give two at once, and nobody waits for more
        const asked = await this.#ask(busid, choice.serial);
        if (typeof asked === "string") others.push(`${busid} ${asked}`);
        else found.push(asked);
      }
      this.#mustGoOn();
      const [first] = found;
      if (first === undefined) throw this.#none(choice.serial, others);
      if (found.length > 1) throw this.#several(choice.serial, found);
      return first;
    } catch (error) {
      for (const { remote } of found) remote.close(ANOTHER);
      throw error;
    }
  }

  /** The device, or what is to say of it. */
  async #ask(busid: string, serial: string): Promise<ReadyImport | string> {
    let ready: ReadyImport;
    try {
      ready = await this.#import(busid);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      return `could not be asked (${(error as Error).message})`;
    }
    const own = await serialNumberOf(ready);
    if (own === serial) return ready;
    ready.remote.close(ANOTHER);
    if (own === undefined) return "does not answer";
    return own === "" ? "has none" : `has "${own}"`;
  }

  #mustGoOn(): void {
    if (this.#signal.aborted) throw new Failed("the search was cancelled.");
  }

  #list(): Promise<readonly ListedDevice[]> {
    return this.#converse(async (conversation) => {
      const devices = await conversation.list();
      conversation.close();
      return devices;
    });
  }

  #import(busid: string): Promise<ReadyImport> {
    return this.#converse((conversation) => conversation.import(busid));
  }

  async #converse<T>(talk: (conversation: RemoteHost) => Promise<T>): Promise<T> {
    const conversation = await this.#hosts.open(this.#place);
    const cancel = () => conversation.close();
    this.#signal.addEventListener("abort", cancel, { once: true });
    try {
      return await talk(conversation);
    } finally {
      this.#signal.removeEventListener("abort", cancel);
    }
  }

  #none(serial: string, others: readonly string[]): Failed {
    return new Failed(
      `${this.#address} has no such device with the serial number "${serial}" that is free: ${someOf(others, "; ")}. A ` +
        "device that somebody has attached is not listed. Look at the host, or name a device by its bus id.",
    );
  }

  #several(serial: string, found: readonly ReadyImport[]): Failed {
    const busids = someOf(found.map(({ remote }) => remote.record.busid));
    return new Failed(
      `${this.#address} has ${found.length} such devices with the serial number "${serial}": name one by its bus id: ${busids}.`,
    );
  }
}
