import assert from "node:assert/strict";
import { test } from "node:test";
import { HostConversation } from "../../src/daemon/host-conversation.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { parseAddress } from "../../src/links/address.ts";
import { dial } from "../../src/links/dial.ts";
import type { LinkAddress } from "../../src/links/listen.ts";
import { createUrb, TransferStatus, TransferType } from "../../src/usb/urb.ts";
import { usbferry } from "../support/usbferry.ts";
import { json } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import { EventReader } from "./event-reader.ts";

interface Session {
  readonly id: string;
  readonly link: string;
  readonly device?: { readonly busid: string };
  readonly counters?: {
    readonly urbs: number;
    readonly bytesIn: number;
    readonly endpoints: readonly { readonly address: number; readonly urbs: number }[];
  };
}

const loop = new LibuvLoop();

/** Our own client with the device, and reads of it that never end. */
class BusyGuest {
  completed = 0;
  readonly statuses = new Set<TransferStatus>();
  readonly unplugged: Promise<void>;
  ended!: Promise<{ readonly code: string }>;
  #unplugged!: () => void;
  #configured!: () => void;

  private constructor() {
    this.unplugged = new Promise((resolve) => {
      this.#unplugged = resolve;
    });
  }

  static async attach(address: string, busid: string): Promise<BusyGuest> {
    const guest = new BusyGuest();
    const conversation = new HostConversation(await dial(parseAddress(address) as LinkAddress), loop);
    const { device, remote } = await conversation.import(busid);
    guest.ended = remote.ended;
    const host = {
      complete: (urb: ReturnType<typeof createUrb>) => {
        guest.completed++;
        guest.statuses.add(urb.status);
        if (urb.endpoint === 0) guest.#configured();
        else if (urb.status === TransferStatus.ok) read(urb);
      },
      unplugged: () => device.close(() => guest.#unplugged()),
    };
    const read = (urb: ReturnType<typeof createUrb>): void => {
      urb.status = TransferStatus.ok;
      urb.actualLength = 0;
      loop.soon(() => {
        device.submit(urb);
        device.flush();
      });
    };
    device.open(host, loop, () => {});
    const configure = createUrb(0);
    // Source and sink.
    configure.setup.set([0x00, 0x09, 3]);
    await new Promise<void>((resolve) => {
      guest.#configured = resolve;
      device.submit(configure);
      device.flush();
    });
    for (let i = 0; i < 8; i++) {
      const urb = createUrb(0);
      urb.endpoint = 0x81;
      urb.type = TransferType.bulk;
      urb.buffer = new Uint8Array(16_384);
      urb.length = urb.buffer.length;
      read(urb);
    }
    return guest;
  }

  async transfers(count: number): Promise<void> {
    const endMs = performance.now() + 20_000;
    while (this.completed < count) {
      assert(performance.now() < endMs, `${this.completed} transfers`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test("a session is cut in the middle of its transfers, and its device is free again", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const reader = new EventReader(daemon.place);
  await reader.until(({ begun }) => begun);
  for (const way of ["api", "command"] as const) {
    const guest = await BusyGuest.attach(daemon.usbip, "zero");
    await guest.transfers(500);
    const sessions = (await json(daemon.place, "/v1/sessions")) as Session[];
    const session = sessions.find(({ device }) => device?.busid === "zero")!;
    assert.equal(session.link, "tcp");
    const { counters } = session;
    assert(counters !== undefined && counters.urbs >= 500 && counters.bytesIn >= 490 * 16_384);
    const { urbs = 0 } = counters.endpoints.find(({ address }) => address === 0x81) ?? {};
    assert(urbs >= 499, `${urbs} reads of ${counters.urbs}`);
    const listed = usbferry(["list"], daemon.environment).stdout;
    assert.match(
      listed,
      new RegExp(`^zero .* Attached by tcp:127\\.0\\.0\\.1:\\d+ \\(session ${session.id}\\)$`, "m"),
    );
    if (way === "api") {
      const kicked = (await json(daemon.place, `/v1/sessions/${session.id}`, "DELETE")) as Session;
      assert.equal(kicked.id, session.id);
    } else {
      const { code, stdout } = usbferry(["kick", session.id], daemon.environment);
      assert.deepEqual(
        [code, stdout.replace(/tcp:\S+/, "PEER")],
        [0, `Cut the session ${session.id}: PEER had zero.\n`],
      );
    }
    await guest.unplugged;
    await guest.ended;
    assert.deepEqual(guest.statuses, new Set([TransferStatus.ok, TransferStatus.disconnected]));
    assert.deepEqual(await json(daemon.place, "/v1/sessions"), []);
    assert.match(usbferry(["list"], daemon.environment).stdout, /^zero .* Shared$/m);
    const again = usbferry(["kick", session.id], daemon.environment);
    assert.deepEqual([again.code, again.stdout], [1, ""]);
  }
  await reader.until(({ events }) => events.length === 4);
  assert.deepEqual(
    reader.events.map(({ kind, device, session, code }) => [kind, device?.vid, session, code]),
    ["s1", "s2"].flatMap((session) => [
      ["attached", "0525", session, undefined],
      ["detached", "0525", session, "KICKED"],
    ]),
  );
  reader.close();
  assert.match(daemon.running.stderr, /"code":"KICKED"/);
  await daemon.stop();
});

test("a refused import and a broken protocol are events with their codes", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const reader = new EventReader(daemon.place, "?kind=refused,error");
  await reader.until(({ begun }) => begun);
  const guest = await BusyGuest.attach(daemon.usbip, "zero");
  await assert.rejects(BusyGuest.attach(daemon.usbip, "zero"), /in use/);
  await assert.rejects(BusyGuest.attach(daemon.usbip, "nothing"), /no device "nothing"/);
  const link = await dial(parseAddress(daemon.usbip) as LinkAddress);
  link.start(
    () => {},
    () => {},
  );
  link.write([Buffer.from("GET / HTTP/1.1\r\n\r\n")], () => {});
  await reader.until(({ events }) => events.length === 3);
  assert.deepEqual(
    reader.events.map(({ kind, device, code }) => [kind, device?.busid, code]),
    [
      ["refused", "zero", "DEVICE_BUSY"],
      ["refused", "nothing", "NO_DEVICE"],
      ["error", undefined, "BAD_VERSION"],
    ],
  );
  await json(daemon.place, "/v1/gadgets/zero", "DELETE");
  assert.equal((await guest.ended).code, "UNPLUGGED", "a gadget can be unplugged under a session");
  assert.deepEqual(await json(daemon.place, "/v1/devices"), []);
  reader.close();
  await daemon.stop();
});
