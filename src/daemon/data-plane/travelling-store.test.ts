import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onLinux } from "../../../test/support/poll-loop.ts";
import type { RingAddress } from "../../links/address.ts";
import { dial } from "../../links/dial.ts";
import { Speed } from "../../usb/speed.ts";
import { createUrb, TransferStatus, TransferType } from "../../usb/urb.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HostConversation } from "../host-conversation.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { ReadyImport } from "../remote-host.ts";
import { RingRemoteHost } from "../ring/ring-remote-host.ts";
import { HostConnection } from "../wslusb/host-connection.ts";
import { DataPlane } from "./data-plane.ts";
import { TravellingStore } from "./travelling-store.ts";

const BLOCK = 512;
const silent = { info: () => {}, warn: () => {} };
const loop = new LibuvLoop();

test("what is asked of a disk whose content is elsewhere waits for it", () => {
  const there = new TravellingStore(1 << 20, false, true);
  const here = new TravellingStore(1 << 20, false, false);
  const told: string[] = [];
  const block = new Uint8Array(BLOCK).fill(7);
  there.write(3, block, () => told.push("written there"));
  const read = new Uint8Array(BLOCK);
  here.read(3, read, () => told.push("read here"));
  assert.deepEqual(told, ["written there"]);
  here.came(there.leave());
  assert.deepEqual(told, ["written there", "read here"]);
  assert.deepEqual(read, block);
  assert(here.isHere && !there.isHere);
  here.flush(() => told.push("flushed here"));
  there.write(3, new Uint8Array(BLOCK), () => told.push("written late"));
  there.came(here.leave());
  assert.deepEqual(told.slice(2), ["flushed here", "written late"]);
  there.read(3, read, () => {});
  assert.deepEqual(read, new Uint8Array(BLOCK));
});

/** What a driver does to the disk that a client of any protocol has. */
class DiskUser {
  readonly #ready: ReadyImport;
  readonly #done = new Map<object, () => void>();

  constructor(ready: ReadyImport) {
    this.#ready = ready;
  }

  async open(): Promise<this> {
    const complete = (urb: object): void => this.#done.get(urb)!();
    await new Promise<void>((resolve) => {
      this.#ready.device.open({ complete, unplugged: () => {} }, loop, () => resolve());
    });
    await this.#transfer(0x00, new Uint8Array(0), Uint8Array.of(0, 9, 1, 0, 0, 0, 0, 0));
    return this;
  }

  async write(data: Uint8Array): Promise<void> {
    await this.#transfer(0x02, command(0x2a, false));
    await this.#transfer(0x02, data);
    assert.equal((await this.#transfer(0x81, new Uint8Array(13)))[12], 0);
  }

  async read(): Promise<Uint8Array> {
    await this.#transfer(0x02, command(0x28, true));
    const data = await this.#transfer(0x81, new Uint8Array(BLOCK));
    assert.equal((await this.#transfer(0x81, new Uint8Array(13)))[12], 0);
    return data;
  }

  close(): void {
    this.#ready.remote.close({ code: "OK", reason: "the test is done with it" });
  }

  async #transfer(endpoint: number, buffer: Uint8Array, setup?: Uint8Array): Promise<Uint8Array> {
    const urb = createUrb(0);
    urb.endpoint = endpoint;
    urb.type = setup === undefined ? TransferType.bulk : TransferType.control;
    if (setup !== undefined) urb.setup.set(setup);
    urb.buffer = buffer;
    urb.length = buffer.length;
    const done = new Promise<void>((resolve) => {
      this.#done.set(urb, resolve);
    });
    this.#ready.device.submit(urb);
    this.#ready.device.flush();
    await done;
    assert.equal(urb.status, TransferStatus.ok);
    return buffer;
  }
}

/** A command block wrapper around READ(10) or WRITE(10) of block 5. */
function command(operation: number, isIn: boolean): Uint8Array {
  const bytes = Buffer.alloc(31);
  bytes.write("USBC");
  bytes.writeUInt32LE(BLOCK, 8);
  bytes.set([isIn ? 0x80 : 0, 0, 10, operation, 0, 0, 0, 0, 5, 0, 0, 1], 12);
  return bytes;
}

const IMPORTS: Readonly<Record<string, (address: RingAddress) => Promise<ReadyImport>>> = {
  usbip: async (address) => new HostConversation(await dial(address), loop).import("disk"),
  wslusb: async (address) => {
    const connection = new HostConnection(await dial(address), loop);
    await connection.greet();
    return connection.import("disk");
  },
  ring: (address) => new RingRemoteHost(address, loop).import("disk"),
};

test("a disk in memory keeps its content whatever protocol its next client speaks", onLinux, async () => {
  const plane = DataPlane.start(silent);
  assert(plane instanceof DataPlane);
  const exports = new ExportTable();
  const disk = plane.plug({
    kind: "disk",
    speed: Speed.high,
    content: { size: 1 << 20 },
    readOnly: false,
  });
  exports.add("disk", disk);
  const host = new Host(exports, loop, silent);
  after(async () => {
    await host.stop();
    await plane.stop();
    rmSync(folder, { recursive: true });
  });
  const folder = mkdtempSync(join(tmpdir(), "usbferry-disk-"));
  const address: RingAddress = { kind: "ring", path: join(folder, "host") };
  await host.listen([address]);
  let content = new Uint8Array(BLOCK);
  for (const protocol of ["usbip", "wslusb", "wslusb", "ring", "usbip", "ring", "ring", "wslusb", "usbip"]) {
    const ready = await IMPORTS[protocol]!(address);
    const user = await new DiskUser(ready).open();
    assert.deepEqual(await user.read(), content, protocol);
    content = content.map((byte) => byte + 1);
    await user.write(content);
    user.close();
    // Whoever asks before it is free is refused, as ever.
    while (exports.find("disk")!.attached) await sleep(5);
  }
});
