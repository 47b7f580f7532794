import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import { DeviceImportRequest, ImportRefusal } from "../usbip/device-import.ts";
import { DeviceListRequest, type ListedDevice } from "../usbip/device-list.ts";
import { type DeviceRecordValue, OpStatus } from "../usbip/pdu.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Failed } from "./failure.ts";
import type { ReadyImport, RemoteHost } from "./remote-host.ts";
import { RemoteImport } from "./remote-import.ts";

const ANSWER_MS = 10_000;

/** The host keeps the device. */
export class Refused extends Failed {}

/** What waits for bytes of the host. */
interface Asked {
  receive(bytes: Uint8Array): void;
  ended(): void;
}

/**
 * The guest's side of one connection to a host, whoever dialled: it may list, and then import once. Stock hosts
 * answer one request per connection, ours more. Every promise rejects with Failed.
 */
export class HostConversation implements RemoteHost {
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #answerMs: number;
  #asked: Asked | undefined;
  #import: RemoteImport | undefined;
  #over: string | undefined;
  #started = false;

  constructor(link: Link, loop: Loop, answerMs = ANSWER_MS) {
    this.#link = link;
    this.#loop = loop;
    this.#answerMs = answerMs;
  }

  list(): Promise<readonly ListedDevice[]> {
    return this.#ask((settle) => new DeviceListRequest(settle), "did not list its devices");
  }

  /**
   * Imports a device and reads its descriptors, unless `known` has those of a device with this record. Rejects with
   * Refused if the host keeps it.
   */
  async import(
    busid: string,
    known: (record: DeviceRecordValue) => Uint8Array | undefined = () => undefined,
  ): Promise<ReadyImport> {
    const failure = `did not give ${busid}`;
    const remote = await this.#ask<RemoteImport | ImportRefusal>(
      (settle) =>
        new DeviceImportRequest(busid, (answer, rest) => {
          if (answer instanceof ProtocolError || answer instanceof ImportRefusal) {
            settle(answer);
            return;
          }
          this.#import = new RemoteImport(answer, this.#link, this.#loop);
          this.#import.receive(rest);
          settle(this.#import);
        }),
      failure,
    );
    if (remote instanceof ImportRefusal) throw new Refused(refusal(busid, remote.status, this.#link.peer));
    const device = remote.imported;
    if (device instanceof ProtocolError) throw this.#failed(failure, device.toString());
    const descriptors = known(remote.record);
    if (descriptors !== undefined) {
      const failed = device.describeAs(descriptors);
      if (failed === undefined) return { remote, device };
      this.close();
      throw this.#failed(`gives a device that does not describe itself`, failed.toString());
    }
    await this.#within(
      new Promise<void>((resolve, reject) => {
        device.describe((failed) => {
          if (failed === undefined) resolve();
          else reject(this.#failed(`gives a device that does not describe itself`, failed.toString()));
        });
      }),
      failure,
    );
    return { remote, device };
  }

  /**
   * Asks for a device of which the host has told everything, and does not wait for the answer: a kernel takes as long to
   * notice a new device. What is sent to it until then waits. Throws Failed.
   */
  importAhead(
    record: DeviceRecordValue,
    descriptors: Uint8Array,
  ): ReadyImport & Required<Pick<ReadyImport, "given">> {
    const { busid } = record;
    const remote = new RemoteImport(record, this.#link, this.#loop, false);
    const device = remote.imported;
    const failed = device instanceof ProtocolError ? device : device.describeAs(descriptors);
    if (device instanceof ProtocolError || failed !== undefined) {
      this.close();
      throw this.#failed(`tells of a device that cannot be`, failed!.toString());
    }
    this.#import = remote;
    const given = this.#askAhead(busid, remote);
    given.catch(({ message }: Error) => remote.close({ code: "UNPLUGGED", reason: message }));
    return { remote, device, given };
  }

  async #askAhead(busid: string, remote: RemoteImport): Promise<void> {
    const answer = await this.#ask<DeviceRecordValue | ImportRefusal>(
      (settle) =>
        new DeviceImportRequest(busid, (answered, rest) => {
          if (answered instanceof ProtocolError || answered instanceof ImportRefusal) {
            settle(answered);
            return;
          }
          if (isSameDevice(answered, remote.record)) {
            remote.given();
            remote.receive(rest);
          }
          settle(answered);
        }),
      `did not give ${busid}`,
    );
    if (answer instanceof ImportRefusal) throw new Refused(refusal(busid, answer.status, this.#link.peer));
    if (!isSameDevice(answer, remote.record))
      throw new Failed(`${busid} has become another device meanwhile.`);
  }

  close(): void {
    this.#over ??= "it was closed from here";
    this.#link.destroy();
  }

  #ask<T>(
    make: (settle: (result: T | ProtocolError) => void) => Asked & { readonly request: Uint8Array },
    failure: string,
  ): Promise<T> {
    const asking = new Promise<T>((resolve, reject) => {
      if (this.#over !== undefined) {
        reject(this.#failed(failure, this.#over));
        return;
      }
      const asked = make((result) => {
        this.#asked = undefined;
        if (result instanceof ProtocolError) reject(this.#failed(failure, result.toString()));
        else resolve(result);
      });
      this.#asked = asked;
      this.#start();
      this.#link.write([asked.request], () => {});
    });
    return this.#within(asking, failure);
  }

  /** Closes the connection unless the work is done in time and well. */
  #within<T>(work: Promise<T>, failure: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        timer.cancel();
        this.close();
        reject(error);
      };
      const timer = this.#loop.after(this.#answerMs, () =>
        fail(this.#failed(failure, `it was silent for ${this.#answerMs / 1_000} s`)),
      );
      work.then((result) => {
        timer.cancel();
        resolve(result);
      }, fail);
    });
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#link.start(
      (bytes) => {
        if (this.#asked === undefined) this.#import?.receive(bytes);
        else this.#asked.receive(bytes);
      },
      (cause) => this.#ended(cause),
    );
  }

  #ended(cause: LinkError | undefined): void {
    this.#over ??= cause?.message ?? "it closed the connection";
    this.#asked?.ended();
    this.#import?.gone(cause);
  }

  #failed(failure: string, reason: string): Failed {
    return new Failed(`${this.#link.peer} ${failure}: ${reason}. Check that a USB/IP host listens there.`);
  }
}

/** Whether two records of one bus id are of the same device, from plug to unplug. */
export function isSameDevice(one: DeviceRecordValue, other: DeviceRecordValue): boolean {
  return (["busnum", "devnum", "idVendor", "idProduct", "bcdDevice", "speed"] as const).every(
    (key) => one[key] === other[key],
  );
}

/** What a refused import means, and what to do. */
export function refusal(busid: string, status: number, peer: string): string {
  switch (status) {
    case OpStatus.ST_NODEV:
      return `${peer} has no device "${busid}". See what it shares with \`usbferry list ADDR\`.`;
    case OpStatus.ST_DEV_BUSY:
      return `${busid} is in use. Detach it where it is attached (\`usbferry detach\`, \`usbip detach\`), then try again.`;
    case OpStatus.ST_DEV_ERR:
      return `${busid} is in an error state at ${peer}. Unplug it there and plug it in again.`;
    case OpStatus.ST_NA:
      return `${peer} does not give ${busid}: it is attached elsewhere, or not shared. Look at the host.`;
    default:
      return `${peer} refuses ${busid} with status ${status}. Look at the log of the host.`;
  }
}
