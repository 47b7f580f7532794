import { encodeRequest, HANDOVER_BYTES, readHandover } from "../../links/handover.ts";
import type { Link } from "../../links/link.ts";
import type { Loop } from "../../usb/loop.ts";
import type { ListedDevice } from "../../usbip/device-list.ts";
import { Failed } from "../failure.ts";
import { HostConversation, Refused, refusal } from "../host-conversation.ts";
import type { ReadyImport, RemoteHost } from "../remote-host.ts";
import { MemberRemote } from "./member-remote.ts";
import type { PciRing } from "./pci-ring.ts";

const ANSWER_MS = 10_000;

/** A host with which this virtual machine shares memory: what is asked passes through a stream of the ring, as do its answers. */
export class PciRemoteHost implements RemoteHost {
  readonly #ring: PciRing;
  readonly #loop: Loop;
  readonly #link: Link;

  constructor(ring: PciRing, loop: Loop) {
    this.#ring = ring;
    this.#loop = loop;
    this.#link = ring.dial();
  }

  list(): Promise<readonly ListedDevice[]> {
    return new HostConversation(this.#link, this.#loop).list();
  }

  async import(busid: string): Promise<ReadyImport> {
    const asking = new MemoryRequest(busid, this.#link, this.#loop);
    const id = await asking.answer;
    const device = this.#ring.device(id);
    if (device === undefined) {
      this.#link.destroy();
      throw new Failed(
        `${this.#link.peer} gives ${busid} as device ${id}, which is not there. Attach it again.`,
      );
    }
    // The host ends the stream later.
    this.#ring.whenRemoved(id, () => this.#link.destroy());
    return {
      remote: new MemberRemote(busid, device, this.#ring, this.#link, this.#loop, asking.ended),
      device,
    };
  }

  close(): void {
    this.#link.destroy();
  }
}

/** Asks for a device; its answer is the id by which the ring has it. Rejects with Failed. */
class MemoryRequest {
  readonly answer: Promise<number>;
  /** The link is over. */
  readonly ended: Promise<void>;
  readonly #busid: string;
  readonly #link: Link;
  readonly #bytes = new Uint8Array(HANDOVER_BYTES);
  #length = 0;
  #settle!: (id: number | Failed) => void;

  constructor(busid: string, link: Link, loop: Loop) {
    this.#busid = busid;
    this.#link = link;
    const late = loop.after(ANSWER_MS, () => this.#fail(`it was silent for ${ANSWER_MS / 1_000} s`));
    this.answer = new Promise((resolve, reject) => {
      this.#settle = (result) => {
        late.cancel();
        if (typeof result === "number") {
          resolve(result);
          return;
        }
        link.destroy();
        reject(result);
      };
    });
    this.ended = new Promise((resolve) => {
      link.start(
        (bytes) => this.#receive(bytes),
        () => {
          this.#fail("it closed the connection");
          resolve();
        },
      );
    });
    link.write([encodeRequest(busid)], () => {});
  }

  #receive(bytes: Uint8Array): void {
    const taken = bytes.subarray(0, HANDOVER_BYTES - this.#length);
    this.#bytes.set(taken, this.#length);
    this.#length += taken.length;
    if (this.#length < HANDOVER_BYTES) return;
    const handover = readHandover(this.#bytes);
    if (typeof handover === "string") this.#fail(handover);
    else if (handover.status === 0) this.#settle(handover.length);
    else this.#settle(new Refused(refusal(this.#busid, handover.status, this.#link.peer)));
  }

  #fail(reason: string): void {
    this.#settle(
      new Failed(
        `${this.#link.peer} did not give ${this.#busid}: ${reason}. Look at the log of the host, and try again.`,
      ),
    );
  }
}
