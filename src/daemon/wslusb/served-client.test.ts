import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { CLIENT_HELLO } from "../../../test/support/wslusb-wire.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import type { Protocol } from "../../links/address.ts";
import { memoryPair } from "../../links/memory.ts";
import { createUrb, type Urb } from "../../usb/urb.ts";
import { AttachRefusal } from "../../wslusb/attach-answer.ts";
import { WslusbClient } from "../../wslusb/client.ts";
import type { WslusbDevice } from "../../wslusb/client-device.ts";
import type { ListedDevice } from "../../wslusb/listed-device.ts";
import { Status } from "../../wslusb/status.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HOST_LIMITS } from "../host-limits.ts";
import type { Log } from "../log.ts";
import { Gate, type RuleSource } from "../rules/gate.ts";
import { SessionRegistry } from "../session-registry.ts";

interface Line {
  readonly code: string;
  readonly busid?: string;
  readonly urbs?: number;
}

function into(lines: Line[]): Log {
  const note = (fields: object): void => void lines.push(fields as Line);
  return { info: note, warn: note };
}

/** A host with two gadgets, what it tells of its sessions, and clients over memory. */
class Bench {
  readonly loop = new ManualLoop();
  readonly exports = new ExportTable();
  readonly keyboard = createGadget({ kind: "keyboard", speed: 1 });
  readonly log: Line[] = [];
  readonly audit: Line[] = [];
  readonly events: string[] = [];
  readonly registry: SessionRegistry;
  readonly host: Host;
  /** Bus ids that rules deny. */
  readonly denied = new Set<string>();

  constructor() {
    this.exports.add("keyboard", this.keyboard, "K1");
    this.exports.add("zero", createGadget({ kind: "zero", speed: 3, pattern: 0 }));
    const events = new EventLog();
    events.subscribe(({ kind, device, code }) =>
      this.events.push([kind, device?.busid, code].filter((word) => word !== undefined).join(" ")),
    );
    this.registry = new SessionRegistry(events);
    const rules: RuleSource = { decide: ({ busid }) => ({ allowed: !this.denied.has(busid) }) };
    this.host = new Host(
      this.exports,
      this.loop,
      into(this.log),
      HOST_LIMITS,
      new Gate(rules, into(this.audit)),
      this.registry,
    );
  }

  connect(): Client {
    const [ours, accepted] = memoryPair(this.loop);
    this.host.accept(accepted);
    return new Client(ours, this.loop);
  }
}

class Client {
  readonly engine: WslusbClient;
  readonly link: ReturnType<typeof memoryPair>[0];
  readonly events: [number, ListedDevice][] = [];
  readonly #loop: ManualLoop;
  ended = false;

  constructor(link: ReturnType<typeof memoryPair>[0], loop: ManualLoop) {
    this.link = link;
    this.#loop = loop;
    this.engine = new WslusbClient(loop, {
      write: (chunks, written) => link.write(chunks, written),
      end: () => link.destroy(),
      changed: (kind, device) => this.events.push([kind, device]),
      takenBack: () => {},
    });
    link.start(
      (bytes) => this.engine.receive(bytes),
      () => {
        this.ended = true;
        this.engine.disconnected();
      },
    );
    this.engine.greet(() => {});
    loop.settle();
  }

  attach(busid: string): WslusbDevice | number {
    let result: WslusbDevice | AttachRefusal | undefined;
    this.engine.attach(busid, (answer) => {
      result = answer;
    });
    this.#loop.settle();
    return result instanceof AttachRefusal ? result.status : result!;
  }

  attached(busid: string): WslusbDevice {
    const device = this.attach(busid);
    if (typeof device === "number") assert.fail(`refused with ${device}`);
    return device;
  }

  list(subscribe = false): string[] {
    let listed: readonly ListedDevice[] = [];
    this.engine.list(subscribe, (devices) => {
      listed = devices!;
    });
    this.#loop.settle();
    return listed.map(({ instance_id, is_attached, serial }) =>
      `${instance_id} ${is_attached} ${serial}`.trim(),
    );
  }
}

test("USB/IP and WSL-USB come to the same listener", () => {
  const bench = new Bench();
  assert.deepEqual(bench.connect().list(), ["keyboard 0 K1", "zero 0"]);
  const [client, accepted] = memoryPair(bench.loop);
  bench.host.accept(accepted);
  const received: number[] = [];
  client.start(
    (bytes) => received.push(...bytes),
    () => {},
  );
  client.write([Uint8Array.of(0x01, 0x11, 0x80)], () => {});
  bench.loop.settle();
  client.write([Uint8Array.of(0x05, 0, 0, 0, 0)], () => {});
  bench.loop.settle();
  assert.deepEqual(received.slice(0, 12), [0x01, 0x11, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 2]);
});

test("each device of a connection is a session of its own, and the connection is one without a device", () => {
  const bench = new Bench();
  const client = bench.connect();
  client.attached("keyboard");
  client.attached("zero");
  assert.deepEqual(
    bench.registry.sessions().map(({ id, device, counters }) => [id, device?.busid, counters?.urbs]),
    [
      ["s1", undefined, undefined],
      ["s2", "keyboard", 0],
      ["s3", "zero", 0],
    ],
  );
  assert.deepEqual(client.list(), ["keyboard 1 K1", "zero 1"]);
  assert.equal(bench.connect().attach("zero"), Status.BUSY);
  client.link.end();
  bench.loop.settle();
  assert.deepEqual(
    bench.registry.sessions().map(({ id }) => id),
    ["s4"],
  );
  assert.deepEqual(
    bench.audit.map(({ code, busid }) => [code, busid]),
    [
      ["IMPORTED", "keyboard"],
      ["IMPORTED", "zero"],
      ["OK", "keyboard"],
      ["OK", "zero"],
    ],
  );
  assert.deepEqual(bench.connect().list(), ["keyboard 0 K1", "zero 0"]);
});

test("a kick takes one device away, and the others stay", async () => {
  const bench = new Bench();
  const client = bench.connect();
  const keyboard = client.attached("keyboard");
  const zero = client.attached("zero");
  const kicked = bench.registry.kick("s2");
  bench.loop.settle();
  assert.equal((await kicked)?.device?.busid, "keyboard");
  assert.deepEqual([keyboard.isGone, zero.isGone, client.ended], [true, false, false]);
  assert.deepEqual(bench.audit.at(-1)?.code, "KICKED");
  const again = client.attach("keyboard");
  assert.ok(typeof again !== "number", "and may be taken again");
  void bench.registry.kick("s1");
  bench.loop.settle();
  assert.ok(client.ended);
  assert.deepEqual(bench.registry.sessions(), []);
});

test("what rules deny is not listed, not given, and told", () => {
  const bench = new Bench();
  bench.denied.add("zero");
  const client = bench.connect();
  assert.deepEqual(client.list(), ["keyboard 0 K1"]);
  assert.equal(client.attach("zero"), Status.DENIED);
  assert.equal(client.attach("nothing"), Status.NOT_FOUND);
  assert.deepEqual(
    bench.events.filter((event) => event.startsWith("refused")),
    ["refused zero DEVICE_DENIED", "refused nothing NO_DEVICE"],
  );
  assert.deepEqual(
    bench.audit.map(({ code }) => code),
    ["REFUSED"],
  );
});

test("a client that asked to be told hears of what comes, goes and is taken", () => {
  const bench = new Bench();
  const watching = bench.connect();
  watching.list(true);
  bench.exports.add("mouse", createGadget({ kind: "mouse", speed: 2 }));
  bench.connect().attached("zero");
  void bench.exports.withdraw("keyboard");
  bench.loop.settle();
  assert.deepEqual(
    watching.events.map(([kind, { instance_id, is_attached }]) => [kind, instance_id, is_attached]),
    [
      [1, "mouse", 0],
      [3, "zero", 1],
      [2, "keyboard", 0],
    ],
  );
});

test("a device that is unplugged is told to both sides", () => {
  const bench = new Bench();
  const client = bench.connect();
  const keyboard = client.attached("keyboard");
  bench.keyboard.unplug();
  bench.loop.settle();
  assert.ok(keyboard.isGone);
  assert.deepEqual(bench.events.at(-1), "detached keyboard UNPLUGGED");
});

test("a connection without use is closed, one with a device or a subscription is kept", () => {
  const bench = new Bench();
  const idle = bench.connect();
  const watching = bench.connect();
  watching.list(true);
  const using = bench.connect();
  const zero = using.attached("zero");
  bench.loop.advance(11_000);
  assert.deepEqual([idle.ended, watching.ended, using.ended], [true, false, false]);
  zero.detach(() => {});
  bench.loop.advance(9_000);
  assert.ok(!isOver(using));
  bench.loop.advance(2_500);
  assert.ok(isOver(using));
  assert.ok(!isOver(watching));
});

test("a client of version 1, and one that says nothing whole, leave one line", () => {
  const bench = new Bench();
  const [old, accepted] = memoryPair(bench.loop);
  bench.host.accept(accepted);
  old.start(
    () => {},
    () => {},
  );
  old.write([Uint8Array.from([4, 0, 0, 0, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])], () => {});
  const [half, other] = memoryPair(bench.loop);
  bench.host.accept(other);
  half.start(
    () => {},
    () => {},
  );
  half.write([Uint8Array.from([7, 0, 0, 0, 36])], () => {});
  bench.loop.advance(13_000);
  assert.deepEqual(
    bench.log.map(({ code }) => code),
    ["BAD_VERSION", "HANDSHAKE_TIMEOUT"],
  );
});

/** What a host says to a peer that sends bytes, by and by the last of it. */
function saidTo(bench: Bench, bytes: Uint8Array, expected?: Protocol): () => number[] {
  const [peer, accepted] = memoryPair(bench.loop);
  bench.host.accept(accepted, undefined, expected);
  const said: number[] = [];
  peer.start(
    (came) => said.push(...came),
    () => {},
  );
  if (bytes.length > 0) peer.write([bytes], () => {});
  bench.loop.settle();
  return () => said;
}

/** The status of an Error frame. */
function errorIn(said: readonly number[]): number | undefined {
  return said[0] === 0xff ? said[16] : undefined;
}

test("who says no Hello in time is told so, wherever WSL-USB is expected", () => {
  const bench = new Bench();
  const peers = [
    saidTo(bench, new Uint8Array(0), "wslusb"),
    saidTo(bench, Uint8Array.of(7, 0), "wslusb"),
    saidTo(bench, Uint8Array.of(7, 0, 0, 0, 36, 0, 0, 0)),
    saidTo(bench, new Uint8Array(0)),
  ];
  bench.loop.advance(13_000);
  assert.deepEqual(
    peers.map((said) => errorIn(said())),
    [Status.HANDSHAKE_TIMEOUT, Status.HANDSHAKE_TIMEOUT, Status.HANDSHAKE_TIMEOUT, undefined],
  );
});

test("garbage is refused in the words of the protocol that is expected", () => {
  const bench = new Bench();
  const garbage = Uint8Array.from(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  assert.equal(errorIn(saidTo(bench, garbage, "wslusb")()), Status.BAD_VERSION);
  assert.deepEqual(saidTo(bench, garbage)(), []);
  assert.equal(errorIn(saidTo(bench, new Uint8Array(16))()), Status.BAD_VERSION);
});

test("a host that stops, or cuts a connection, says so before it closes", async () => {
  const bench = new Bench();
  const stopped = saidTo(bench, CLIENT_HELLO);
  const stop = bench.host.stop();
  bench.loop.advance(3_000);
  await stop;
  assert.equal(errorIn(stopped().slice(CLIENT_HELLO.length)), Status.ENDED);
});

test("the list follows the configuration that a client sets, and whoever waits for changes is told", () => {
  const bench = new Bench();
  const watching = bench.connect();
  watching.list(true);
  const keyboard = bench.connect().attached("keyboard");
  bench.loop.settle();
  watching.events.length = 0;
  const urb: Urb = { ...createUrb(0), setup: Uint8Array.of(0, 9, 1, 0, 0, 0, 0, 0) };
  keyboard.open({ complete: () => {}, unplugged: () => {} }, bench.loop, () => {});
  keyboard.submit(urb);
  keyboard.flush();
  bench.loop.settle();
  keyboard.reset(() => {});
  bench.loop.settle();
  assert.deepEqual(
    watching.events.map(([kind, { instance_id, current_configuration }]) => [
      kind,
      instance_id,
      current_configuration,
    ]),
    [
      [3, "keyboard", 1],
      [3, "keyboard", 0],
    ],
  );
});

function isOver({ ended }: Client): boolean {
  return ended;
}
