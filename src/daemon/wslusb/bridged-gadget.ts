import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { SocketLink } from "../../links/socket-link.ts";
import { socketPair } from "../../linux/socket-pair.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { OpenError, UsbDevice, UsbHost } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import type { Speed } from "../../usb/speed.ts";
import type { TransferStatus, Urb } from "../../usb/urb.ts";
import type { ExportedDevice } from "../../usbip/exports.ts";
import type { PlaneGadget } from "../data-plane/plane-gadget.ts";
import { failureKind } from "../failure.ts";
import { HostConversation } from "../host-conversation.ts";
import type { ReadyImport } from "../remote-host.ts";
import type { SessionEnd } from "../session-end.ts";

const GIVEN_BACK: SessionEnd = { code: "OK", reason: "it was given back" };

/**
 * A gadget of the data plane for a connection of the main thread that has devices of both: an import like any other,
 * over a socket pair. Made for one `open` and `close`.
 */
export class BridgedGadget implements UsbDevice {
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  /** A request is a copy of its data. */
  readonly takesLentData = true;
  readonly #gadget: PlaneGadget;
  readonly #exported: ExportedDevice;
  #ready: ReadyImport | undefined;
  /** The worker has the gadget back. */
  #finished: Promise<void> = Promise.resolve();

  constructor(gadget: PlaneGadget, exported: ExportedDevice) {
    this.speed = gadget.speed;
    this.descriptors = gadget.descriptors;
    this.#gadget = gadget;
    this.#exported = exported;
  }

  get configuration(): number {
    return this.#ready?.device.configuration ?? 0;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    void this.#import(loop).then((ready) => {
      if ("reason" in ready) {
        done(ready);
        return;
      }
      this.#ready = ready;
      ready.device.open(host, loop, done);
    });
  }

  submit(urb: Urb): void {
    this.#ready!.device.submit(urb);
  }

  cancel(urb: Urb): void {
    this.#ready!.device.cancel(urb);
  }

  flush(): void {
    this.#ready!.device.flush();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#ready!.device.reset(done);
  }

  close(done: () => void): void {
    const { device, remote } = this.#ready!;
    device.close(() => {
      remote.close(GIVEN_BACK);
      void this.#finished.then(done);
    });
  }

  async #import(loop: Loop): Promise<ReadyImport | OpenError> {
    const pair = socketPair();
    if (pair instanceof SystemError) return { reason: "failed", message: pair.message };
    const [ours, theirs] = pair;
    const { busid, path, busnum, devnum } = this.#exported;
    let conversation: HostConversation;
    try {
      const link = new SocketLink(
        "memory:data-plane",
        (onread) =>
          // `onread` is an option of every socket; the types know it for those that connect.
          new Socket({ fd: ours, readable: true, writable: true, onread } as ConstructorParameters<
            typeof Socket
          >[0]),
      );
      conversation = new HostConversation(link, loop);
    } catch (error) {
      closeSync(ours);
      closeSync(theirs);
      return { reason: "failed", message: (error as Error).message };
    }
    let refused: OpenError | undefined;
    this.#finished = new Promise((resolve) => {
      this.#gadget.carry(
        {
          fd: theirs,
          peer: "memory:main",
          request: new Uint8Array(0),
          ageMs: 0,
          exported: { busid, path, busnum, devnum },
        },
        {
          imported: () => {},
          refused: ({ message }) => {
            refused = { reason: "busy", message };
          },
          returned: () => {},
          finished: () => resolve(),
        },
      );
    });
    try {
      return await conversation.import(busid);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      await this.#finished;
      return refused ?? { reason: "failed", message: (error as Error).message };
    }
  }
}
