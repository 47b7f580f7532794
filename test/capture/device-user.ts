import { HostConversation } from "../../src/daemon/host-conversation.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import type { ReadyImport } from "../../src/daemon/remote-host.ts";
import { dial } from "../../src/links/dial.ts";
import { createUrb, PACKET_WORDS, TransferType, type Urb } from "../../src/usb/urb.ts";

/** A driver of a device that a host shares. */
export class DeviceUser {
  readonly #ready: ReadyImport;
  readonly #done = new Map<Urb, () => void>();

  private constructor(ready: ReadyImport) {
    this.#ready = ready;
  }

  static async open(address: string, busid: string): Promise<DeviceUser> {
    const loop = new LibuvLoop();
    const ready = await new HostConversation(await dial(dialPlace(address)), loop).import(busid);
    const user = new DeviceUser(ready);
    const complete = (urb: Urb): void => user.#done.get(urb)!();
    await new Promise<void>((resolve) => {
      ready.device.open({ complete, unplugged: () => {} }, loop, () => resolve());
    });
    return user;
  }

  /** Ends when the host has the device back. */
  async close(): Promise<void> {
    this.#ready.remote.close({ code: "OK", reason: "the test is done with it" });
    await this.#ready.remote.ended;
  }

  async control(setup: string, data: Uint8Array): Promise<Urb> {
    const urb = createUrb(0);
    urb.setup.set(Buffer.from(setup.replaceAll(" ", ""), "hex"));
    urb.endpoint = urb.setup[0]! & 0x80;
    return this.#run(urb, data);
  }

  async transfer(endpoint: number, type: TransferType, data: Uint8Array): Promise<Urb> {
    const urb = createUrb(0);
    urb.endpoint = endpoint;
    urb.type = type;
    return this.#run(urb, data);
  }

  /** So many packets of one length. */
  async packets(endpoint: number, count: number, data: Uint8Array): Promise<Urb> {
    const urb = createUrb(0);
    urb.endpoint = endpoint;
    urb.type = TransferType.isochronous;
    urb.packets = new Int32Array(count * PACKET_WORDS);
    urb.packetCount = count;
    const length = data.length / count;
    for (let i = 0; i < count; i++) urb.packets.set([i * length, length, 0, 0], i * PACKET_WORDS);
    return this.#run(urb, data);
  }

  async #run(urb: Urb, data: Uint8Array): Promise<Urb> {
    urb.buffer = data;
    urb.length = data.length;
    const done = new Promise<void>((resolve) => {
      this.#done.set(urb, resolve);
    });
    this.#ready.device.submit(urb);
    this.#ready.device.flush();
    await done;
    return urb;
  }
}
