import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import { memoryPair } from "../../links/memory.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HOST_LIMITS } from "../host-limits.ts";
import type { ChangeableState } from "../state/state-store.ts";
import { Gate } from "./gate.ts";
import { RULES, RuleBook, type RulesState } from "./rule-book.ts";

const ST_OK = 0;
const ST_NA = 1;
const ST_NODEV = 4;

/** A state that lives as long as its test. */
class Forgotten implements ChangeableState<RulesState> {
  value = RULES.empty;

  async change(edit: (value: RulesState) => RulesState): Promise<RulesState> {
    this.value = edit(this.value);
    return this.value;
  }
}

interface Line {
  readonly code: string;
  readonly peer: string;
  readonly busid: string;
  readonly rule?: string;
  readonly durationMs?: number;
  readonly message: string;
}

/** A host with a keyboard and a disk, its rules, and its audit. */
class Bench {
  readonly loop = new ManualLoop();
  readonly rules = new RuleBook(new Forgotten());
  readonly audit: Line[] = [];
  readonly decisions: string[] = [];
  readonly exports = new ExportTable();
  readonly host: Host;

  constructor() {
    this.exports.add("keyboard", createGadget({ kind: "keyboard", speed: 1 }));
    const content = { size: 1 << 20 };
    this.exports.add("disk", createGadget({ kind: "disk", speed: 2, content, readOnly: false }), "S7");
    const silent = { info: () => {}, warn: () => {} };
    const note = (fields: object, message: string): void =>
      void this.audit.push({ ...(fields as Line), message });
    const gate = new Gate(this.rules, { info: note, warn: note }, (describe) =>
      this.decisions.push(describe()[1]),
    );
    this.host = new Host(this.exports, this.loop, silent, HOST_LIMITS, gate);
  }

  /** A client that seems to come from there. */
  connect(peer: string): Client {
    const [ours, accepted] = memoryPair(this.loop);
    const link = new Proxy(accepted, {
      get: (target, key) => {
        if (key === "peer") return peer;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    this.host.accept(link);
    return new Client(ours, this.loop);
  }
}

class Client {
  readonly #link: ReturnType<typeof memoryPair>[0];
  readonly #loop: ManualLoop;
  #received = Buffer.alloc(0);
  ended = false;

  constructor(link: ReturnType<typeof memoryPair>[0], loop: ManualLoop) {
    this.#link = link;
    this.#loop = loop;
    link.start(
      (bytes) => {
        this.#received = Buffer.concat([this.#received, bytes]);
      },
      () => {
        this.ended = true;
      },
    );
  }

  /** The bus ids of OP_REP_DEVLIST. */
  list(): readonly string[] {
    const reply = this.#ask(Buffer.from("0111800500000000", "hex"));
    return ["keyboard", "disk"].filter((busid) => reply.includes(`\0${busid}\0`));
  }

  /** The status of OP_REP_IMPORT. */
  import(busid: string): number {
    const request = Buffer.alloc(40);
    request.set([0x01, 0x11, 0x80, 0x03]);
    request.write(busid, 8);
    return this.#ask(request).readUInt32BE(4);
  }

  /** The bytes that came meanwhile. */
  take(): Buffer {
    this.#loop.settle();
    const bytes = this.#received;
    this.#received = Buffer.alloc(0);
    return bytes;
  }

  /** The bytes of OP_REP_EVENTS and the snapshot behind it. */
  events(): Buffer {
    this.#ask(Buffer.from("01118e010000000000000001", "hex"));
    return this.take();
  }

  close(): void {
    this.#link.end();
    this.#loop.settle();
  }

  #ask(request: Uint8Array): Buffer {
    this.#received = Buffer.alloc(0);
    this.#link.write([request], () => {});
    this.#loop.settle();
    return this.#received;
  }
}

const LAN = "tcp:192.168.7.20:5000";
const HERE = "tcp:127.0.0.1:5000";

test("without a rule this machine sees and has all, and nobody else anything", () => {
  const bench = new Bench();
  assert.deepEqual(bench.connect(HERE).list(), ["keyboard", "disk"]);
  assert.deepEqual(bench.connect("unix:/run/x").list(), ["keyboard", "disk"]);
  const stranger = bench.connect(LAN);
  assert.deepEqual(stranger.list(), []);
  assert.equal(stranger.import("disk"), ST_NA);
  assert.equal(stranger.import("nonsense"), ST_NODEV);
  assert.equal(bench.connect(HERE).import("disk"), ST_OK);
});

/** Kinds of the events in these bytes, with the bus id that each names. */
function eventsIn(bytes: Buffer): string[] {
  const events: string[] = [];
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt16BE(at + 2)) {
    const [kind, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
    const name = bytes.toString("latin1", at + 8 + (length > 32 ? 256 : 0)).split("\0", 1)[0]!;
    events.push(length === 0 ? `${kind}` : `${kind} ${name}`);
  }
  return events;
}

test("a client hears of devices that it may have, and of rules that change what those are", async () => {
  const bench = new Bench();
  const kept = await bench.rules.add("allow client=192.168.7.0/24 serial=S?");
  const client = bench.connect(LAN);
  const answer = client.events();
  assert.equal(answer.toString("hex", 0, 12), "01110e01000000000001000a");
  assert.deepEqual(eventsIn(answer.subarray(12)), ["1 disk", "2"]);
  const added = await bench.rules.add("allow client=192.168.7.20");
  assert.deepEqual(eventsIn(client.take()), ["3 keyboard"]);
  await bench.rules.remove(added.id);
  await bench.rules.remove(kept.id);
  assert.deepEqual(eventsIn(client.take()), ["5 disk", "5 keyboard"]);
  bench.exports.add("mouse", createGadget({ kind: "mouse", speed: 1 }));
  assert.deepEqual(eventsIn(client.take()), [], "it may not have it");
  assert.equal(client.ended, false);
});

test("so many clients are told of changes and no more, and one that goes makes room", () => {
  const bench = new Bench();
  const told = Array.from({ length: 128 }, () => bench.connect(HERE));
  for (const client of told) assert.equal(client.events().readUInt32BE(4), ST_OK);
  const late = bench.connect(HERE);
  assert.equal(late.events().toString("hex"), "01110e0100000001");
  assert.deepEqual(late.list(), ["keyboard", "disk"], "it may ask for the list");
  told[0]!.close();
  assert.equal(bench.connect(HERE).events().readUInt32BE(4), ST_OK);
  assert.equal(bench.connect(HERE).events().readUInt32BE(4), ST_NA, "for one, and no more");
});

test("a client hears when somebody takes a device and gives it back", () => {
  const bench = new Bench();
  const watching = bench.connect(HERE);
  watching.events();
  const other = bench.connect("unix:/run/x");
  const stateAt = 8 + 312;
  assert.equal(other.import("disk"), ST_OK);
  assert.equal(watching.take()[stateAt], 1);
  other.close();
  assert.equal(watching.take()[stateAt], 0);
});

test("a client sees and has what rules allow it, and a refusal names the rule", async () => {
  const bench = new Bench();
  await bench.rules.add("deny class=keyboard");
  await bench.rules.add("allow client=192.168.7.0/24 serial=S?");
  const client = bench.connect(LAN);
  assert.deepEqual(client.list(), ["disk"]);
  assert.equal(client.import("keyboard"), ST_NA);
  assert.equal(client.import("disk"), ST_OK);
  assert.equal(bench.connect(HERE).import("keyboard"), ST_NA);
  assert.deepEqual(
    bench.audit.map(({ code, peer, busid, rule }) => ({ code, peer, busid, rule })),
    [
      { code: "REFUSED", peer: LAN, busid: "keyboard", rule: "r1" },
      { code: "IMPORTED", peer: LAN, busid: "disk", rule: "r2" },
      { code: "REFUSED", peer: HERE, busid: "keyboard", rule: "r1" },
    ],
  );
  assert.equal(bench.audit[0]!.message, `REFUSED keyboard to ${LAN} by rule r1: deny class=keyboard`);
  assert(
    bench.decisions.includes(
      `DECIDED disk is allowed to ${LAN} by rule r2: allow serial=S? client=192.168.7.0/24`,
    ),
  );
});

test("the audit tells who had what, and for how long", () => {
  const bench = new Bench();
  const client = bench.connect(HERE);
  client.import("disk");
  bench.loop.advance(61_000);
  client.close();
  const [imported, returned] = bench.audit;
  assert.deepEqual(imported, {
    code: "IMPORTED",
    peer: HERE,
    device: "1209:0001",
    serial: "S7",
    busid: "disk",
    message: `${HERE} has disk`,
  });
  assert.equal(returned!.code, "OK");
  assert(returned!.durationMs! >= 61_000);
});

test("a rule holds for the next import; who has a device keeps it", async () => {
  const bench = new Bench();
  const { id } = await bench.rules.add("allow link=tcp");
  const first = bench.connect(LAN);
  assert.equal(first.import("disk"), ST_OK);
  const second = bench.connect(LAN);
  assert.deepEqual(second.list(), ["keyboard"]);
  await bench.rules.remove(id);
  bench.loop.advance(500);
  assert.equal(second.import("keyboard"), ST_NA);
  bench.loop.advance(60_000);
  assert.equal(first.ended, false);
});

test("a client that asks a thousand times for a denied device leaves one line", () => {
  const bench = new Bench();
  const client = bench.connect(LAN);
  for (let i = 0; i < 1_000; i++) assert.equal(client.import("disk"), ST_NA);
  assert.equal(bench.audit.length, 1);
});

test("rules of the state are asked before those of the configuration", async () => {
  const bench = new Bench();
  bench.rules.configure([{ action: "allow", link: "tcp" }]);
  assert.deepEqual(bench.connect(LAN).list(), ["keyboard", "disk"]);
  await bench.rules.add("deny class=mass-storage");
  assert.deepEqual(bench.connect(LAN).list(), ["keyboard"]);
  assert.deepEqual(await bench.rules.list(), [
    { id: "r1", rule: "deny class=mass-storage", source: "state" },
    { id: "c1", rule: "allow link=tcp", source: "configuration" },
  ]);
  await assert.rejects(
    bench.rules.remove("c1"),
    /c1 stands in the configuration: change it there and reload/,
  );
});

test("a withdrawn device is neither seen nor had, and free when its session ends", async () => {
  const bench = new Bench();
  const client = bench.connect(HERE);
  assert.equal(client.import("disk"), ST_OK);
  let isFree = false;
  const free = bench.exports.withdraw("disk").then(() => {
    isFree = true;
  });
  await Promise.resolve();
  assert.equal(isFree, false);
  assert.deepEqual(bench.connect(HERE).list(), ["keyboard"]);
  assert.equal(bench.connect(HERE).import("disk"), ST_NODEV);
  client.close();
  await free;
  assert.equal(bench.exports.add("disk", createGadget({ kind: "zero", speed: 2, pattern: 0 })).busid, "disk");
});
