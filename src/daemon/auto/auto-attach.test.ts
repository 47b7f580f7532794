import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KernelInFolder } from "../../../test/support/kernel-in-folder.ts";
import { createGadget, GadgetSpecificationError, parseGadgetSpec } from "../../gadgets/catalog.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import { PortState } from "../../vhci/port-status.ts";
import { Agent } from "../agent.ts";
import type { KeptWishState } from "../agent-state.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { PassingState } from "../state/open-wishes.ts";
import { WISHES, type WishesState, WishList } from "../state/wishes.ts";
import type { AutoAnswer, AutoRequest } from "./auto-attach.ts";

const SILENT = { info() {}, warn() {} };
const APPLICATION = "serial,vid=2341,pid=8036";
const BOOTLOADER = "serial,vid=2341,pid=0036";
const DEVICES = ["2341:8036", "2341:0036"];

/** A host whose devices are plugged and unplugged by the test. */
class TestHost {
  readonly address: string;
  readonly exports = new ExportTable();
  readonly #path: string;
  readonly #plugged = new Map<string, Gadget>();
  #host: Host | undefined;

  constructor(path: string, kind: string) {
    this.#path = path;
    this.address = `${kind}:${path}`;
  }

  async start(): Promise<void> {
    this.#host = new Host(this.exports, new LibuvLoop(), SILENT);
    await this.#host.listen([{ kind: "unix", path: this.#path }]);
  }

  async stop(): Promise<void> {
    await this.#host?.stop(0);
  }

  plug(text: string): string {
    const specification = parseGadgetSpec(text);
    if (specification instanceof GadgetSpecificationError) throw new Error(specification.message);
    const gadget = createGadget(specification);
    const { busid } = this.exports.add(specification.kind, gadget, specification.serial);
    this.#plugged.set(busid, gadget);
    return busid;
  }

  async unplug(busid: string): Promise<void> {
    const left = this.exports.withdraw(busid);
    this.#plugged.get(busid)!.unplug();
    await left;
  }
}

/** A host, a kernel that is a folder, and agents one after the other. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "usbferry-auto-"));
  readonly kernel = new KernelInFolder(this.folder, { hs: 3, ss: 1 });
  readonly host: TestHost;
  readonly state = new PassingState<WishesState>(WISHES.empty);
  readonly wishes = new WishList(this.state);
  readonly lines: string[] = [];
  agent!: Agent;

  private constructor(kind: string) {
    this.host = new TestHost(join(this.folder, "host.sock"), kind);
  }

  static async start(context: TestContext, kind = "unix"): Promise<Bench> {
    const bench = new Bench(kind);
    await bench.host.start();
    await bench.startAgent();
    context.after(async () => {
      await bench.endAgent();
      await bench.host.stop();
      rmSync(bench.folder, { recursive: true });
    });
    return bench;
  }

  async startAgent(): Promise<void> {
    const note = (_: object, line: string): void => void this.lines.push(line);
    const log = { info: note, warn: note };
    this.agent = new Agent(this.kernel.vhci, new LibuvLoop(), log, new EventLog(), this.wishes);
    await this.agent.takeUpWishes();
  }

  async endAgent(): Promise<void> {
    this.agent.endWaiting();
    await this.agent.stop();
  }

  keep(request: Partial<AutoRequest> = {}, signal = new AbortController().signal): Promise<AutoAnswer> {
    return this.agent.keep({ address: this.host.address, devices: DEVICES, ...request }, signal);
  }

  get wish(): KeptWishState {
    const [wish] = this.agent.state.wishes;
    assert(wish !== undefined, "a wish is kept");
    return wish;
  }

  /** "busid on port" of everything that the agent has attached. */
  get attached(): readonly string[] {
    return this.agent.state.devices.map(({ busid, port }) => `${busid} on ${port}`);
  }

  untilAttached(...devices: readonly string[]): Promise<void> {
    return until(
      () => this.attached.join() === devices.join(),
      () => `${devices.join()}, there is ${this.attached.join()} ${JSON.stringify(this.agent.state.wishes)}`,
    );
  }

  /** Lines of the log with this code. */
  told(code: string): readonly string[] {
    return this.lines.filter((line) => line.startsWith(`${code} `));
  }
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!condition()) {
    assert(performance.now() < endMs, `did not happen: ${what()}`);
    // oxlint-disable-next-line no-await-in-loop -- asked again and again
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Over every protocol. `kind`: of the address of the host. */
function each(name: string, body: (context: TestContext, kind: string) => Promise<void>): void {
  for (const kind of ["unix", "wslusb+unix", "ring"]) {
    test(`${name}, over ${kind}`, (context) => body(context, kind));
  }
}

each(
  "a board that is flashed is attached in both of its faces, each time on the same port",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    const { host } = bench;
    bench.kernel.occupy(0, true);
    let busid = host.plug(APPLICATION);
    const { wish, device } = await bench.keep();
    assert.deepEqual(
      [device?.busid, device?.port, wish.state, wish.watching],
      ["serial", 1, "attached", "pushed"],
    );
    bench.kernel.occupy(0, false);
    for (const face of [BOOTLOADER, APPLICATION, BOOTLOADER, APPLICATION]) {
      // oxlint-disable-next-line no-await-in-loop -- one face after the other
      await host.unplug(busid);
      // oxlint-disable-next-line no-await-in-loop
      await until(
        () => bench.attached.length === 0,
        () => "it is gone",
      );
      busid = host.plug(face);
      // oxlint-disable-next-line no-await-in-loop
      await bench.untilAttached(`${busid} on 1`);
    }
    assert.deepEqual(bench.wishes.autos(), [
      { id: "w1", address: host.address, devices: DEVICES, ports: { hs: 1 }, busid: "serial" },
    ]);
  },
);

each("a device may be wished for before it is plugged in", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  const { wish, device } = await bench.keep();
  assert.equal(device, undefined);
  assert.deepEqual([wish.id, wish.state, wish.watching], ["w1", "waiting", "pushed"]);
  assert.equal(wish.reason, "the host has no such device at this moment");
  bench.host.plug("zero");
  bench.host.plug(BOOTLOADER);
  await bench.untilAttached("serial on 0");
});

each(
  "a wish for a host that is not there waits, and its device comes with the host",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    await bench.host.stop();
    const { wish } = await bench.keep();
    assert.deepEqual([wish.state, wish.watching], ["waiting", "unreachable"]);
    assert.match(wish.reason!, /cannot reach (wslusb\+)?(unix|ring):.*Start the host there/);
    bench.host.plug(APPLICATION);
    await bench.host.start();
    await bench.untilAttached("serial on 0");
  },
);

each("a host that was started again is attached again, on the same port", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  bench.host.plug(APPLICATION);
  bench.kernel.occupy(0, true);
  await bench.keep();
  bench.kernel.occupy(0, false);
  await bench.host.stop();
  await until(
    () => bench.wish.watching === "unreachable",
    () => JSON.stringify(bench.wish),
  );
  assert.equal(bench.told("HOST_UNREACHABLE").length, 1);
  await bench.host.start();
  await bench.untilAttached("serial on 1");
});

each(
  "an agent that was started again keeps what the one before it kept, on the same port",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    bench.host.plug(APPLICATION);
    bench.kernel.occupy(0, true);
    await bench.keep();
    bench.kernel.occupy(0, false);
    await bench.endAgent();
    await bench.startAgent();
    await bench.untilAttached("serial on 1");
    assert.equal(bench.told("WISH_TAKEN_UP").length, 1);
  },
);

each("a port that somebody else has is told, and taken again when it is free", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  const { host, kernel } = bench;
  const busid = host.plug(APPLICATION);
  await bench.keep();
  await host.unplug(busid);
  await until(
    () => bench.attached.length === 0,
    () => "it is gone",
  );
  kernel.occupy(0, true);
  host.plug(APPLICATION);
  await bench.untilAttached("serial on 1");
  assert.match(
    bench.told("PORT_TAKEN")[0]!,
    /port 0, where wish w1 has its device, is in use .* this time it is port 1/,
  );
  kernel.occupy(0, false);
  await host.unplug("serial");
  host.plug(APPLICATION);
  await bench.untilAttached("serial on 0");
});

each(
  "the port of a device that is wished for is left to it, as long as there is another",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    const { host, agent, kernel } = bench;
    host.plug(APPLICATION);
    await bench.keep();
    await host.unplug("serial");
    await until(
      () => bench.attached.length === 0,
      () => "it is gone",
    );
    host.plug("mouse,speed=full");
    const { signal } = new AbortController();
    assert.equal((await agent.attach(host.address, "mouse", signal)).port, 1);
    kernel.occupy(2, true);
    host.plug("keyboard,speed=full");
    assert.equal((await agent.attach(host.address, "keyboard", signal)).port, 0);
  },
);

each(
  "detaching the port, ending the wish, or detaching all ends it, and is durable",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    const { agent, host } = bench;
    host.plug(APPLICATION);
    const ways = [
      async () => agent.detach((await bench.keep()).device!.port),
      async () => agent.endWish((await bench.keep()).wish.id),
      async () => {
        await bench.keep();
        return agent.detachAll();
      },
    ];
    for (const [i, way] of ways.entries()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.deepEqual(await way(), { ports: [0], wishes: [`w${i + 1}`] });
      assert.deepEqual([bench.attached, agent.state.wishes, bench.wishes.autos()], [[], [], []]);
      assert.equal(agent.isIdle, true);
    }
    assert.equal(await agent.endWish("w1"), undefined);
  },
);

each(
  "a device that another program detaches, or that is kicked, is attached again",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    bench.host.plug(APPLICATION);
    await bench.keep();
    const first = bench.agent.state.devices[0]!.node;
    bench.kernel.detach(0);
    await until(
      () => bench.agent.state.devices.some(({ node, port }) => node !== first && port === 0),
      () => "another node on the same port",
    );
    const second = bench.agent.state.devices[0]!.node;
    assert.equal(await bench.agent.kick(0), true);
    await until(
      () => bench.agent.state.devices.some(({ node, port }) => node !== second && port === 0),
      () => "another node on the same port",
    );
  },
);

each("a device that somebody else has is waited for until it is free", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  bench.host.plug(APPLICATION);
  const shared = bench.host.exports.find("serial")!;
  bench.host.exports.mark(shared, true);
  const { wish } = await bench.keep();
  assert.equal(wish.reason, "somebody else has the device");
  bench.host.exports.mark(shared, false);
  await bench.untilAttached("serial on 0");
  assert.deepEqual(bench.told("NOT_ATTACHED"), []);
});

each(
  "of two that look alike none is taken, unless one has been it or has the serial number",
  async (context, kind) => {
    const bench = await Bench.start(context, kind);
    const { host, agent } = bench;
    host.plug(`${APPLICATION},serial=one`);
    host.plug(`${APPLICATION},serial=two`);
    const { wish } = await bench.keep();
    assert.match(
      wish.reason!,
      /2 such devices: name one by its bus id \(serial, serial-2\) or serial number/,
    );
    await agent.endWish(wish.id);
    await bench.keep({ devices: ["2341:0036:two", "2341:8036:two"] });
    assert.deepEqual(bench.attached, ["serial-2 on 0"]);
    await agent.detachAll();
    await host.unplug("serial");
    await bench.keep();
    assert.deepEqual(bench.attached, ["serial-2 on 0"]);
    host.plug(`${APPLICATION},serial=one`);
    await agent.kick(0);
    await bench.untilAttached("serial-2 on 0");
    await bench.endAgent();
    await bench.startAgent();
    await bench.untilAttached("serial-2 on 0");
    await host.unplug("serial-2");
    await until(
      () =>
        bench.agent.state.wishes.some(
          ({ reason }) => reason?.startsWith("the host has no such device") === true,
        ),
      () => JSON.stringify(bench.agent.state),
    );
    host.plug(`${APPLICATION},serial=two`);
    await bench.untilAttached("serial-2 on 0");
  },
);

each("commands run when the device has come and gone, with its nodes", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  const file = join(bench.folder, "seen");
  const onAttach = [
    "/bin/sh",
    "-c",
    `echo $USBFERRY_EVENT $USBFERRY_PORT $USBFERRY_SERIAL $USBFERRY_DEVNODES >> ${file}`,
  ];
  bench.host.plug(`${APPLICATION},serial=S7`);
  await bench.keep({ onAttach, onDetach: onAttach });
  const seen = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n") : []);
  await until(
    () => seen().length === 2,
    () => seen().join(),
  );
  await bench.host.unplug("serial");
  await until(
    () => seen().length === 3,
    () => seen().join(),
  );
  const node = join(bench.folder, "dev/ttyACM0");
  assert.deepEqual(seen(), [`attach 0 S7 ${node}`, `detach 0 S7 ${node}`, ""]);
});

each("commands run to their end when the agent ends", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  const file = join(bench.folder, "ended");
  bench.host.plug(APPLICATION);
  await bench.keep({ onDetach: ["/bin/sh", "-c", `sleep 0.3; echo $USBFERRY_EVENT > ${file}`] });
  await bench.endAgent();
  assert.equal(readFileSync(file, "utf8"), "detach\n");
  await bench.startAgent();
});

each("a wish that ends while its device is being attached takes nothing with it", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  const { agent, host, kernel } = bench;
  host.plug(APPLICATION);
  kernel.isStuck = true;
  const keeping = assert.rejects(bench.keep(), /the wish was taken back, or ended by somebody else/);
  await until(
    () => kernel.vhci.port(0)?.state === PortState.USED,
    () => "a port in use",
  );
  assert.deepEqual((await agent.detachAll()).wishes, ["w1"]);
  await keeping;
  await until(
    () => agent.isIdle && kernel.vhci.port(0)?.state === PortState.FREE,
    () => "a free port",
  );
  kernel.isStuck = false;
  await bench.keep();
  assert.deepEqual(bench.attached, ["serial on 0"]);
});

each("the same wish again has the new words, and is one", async (context, kind) => {
  const bench = await Bench.start(context, kind);
  await bench.keep({ devices: ["2341:8036"], onAttach: ["/bin/true"] });
  bench.host.plug(BOOTLOADER);
  const { wish } = await bench.keep();
  assert.deepEqual([wish.id, wish.onAttach], ["w1", undefined]);
  await bench.untilAttached("serial on 0");
  assert.equal(bench.wishes.autos().length, 1);
  await bench.keep({ devices: ["mouse"] });
  assert.equal(bench.agent.state.wishes.length, 2);
});

test("a client that goes away takes back a wish that is new, and no other", async (context) => {
  const bench = await Bench.start(context);
  const mute = createServer(() => {}).listen(join(bench.folder, "mute.sock"));
  context.after(() => mute.close());
  const address = `unix:${bench.folder}/mute.sock`;
  const client = new AbortController();
  const first = bench.keep({ address }, client.signal);
  await until(
    () => bench.wishes.autos().length === 1,
    () => "it is kept",
  );
  client.abort();
  await assert.rejects(first, /was taken back/);
  assert.deepEqual([bench.wishes.autos(), bench.agent.state.wishes], [[], []]);

  await bench.keep();
  await assert.rejects(bench.keep({}, AbortSignal.abort()), /was taken back/);
  assert.equal(bench.wishes.autos().length, 1);
});

/** A server that closes on what the document does not know, and else is the host. */
function stockServer(context: TestContext, path: string, host: string): { readonly asked: number[] } {
  const asked: number[] = [];
  const server = createServer((client) => {
    client.once("data", (first: Buffer) => {
      const operation = first.readUInt16BE(2);
      asked.push(operation);
      if (operation === 0x8e01) {
        client.destroy();
        return;
      }
      const served = connect(host);
      served.write(first);
      client.pipe(served).pipe(client);
      served.on("error", () => client.destroy());
      client.on("error", () => served.destroy());
    });
    client.on("error", () => {});
  }).listen(path);
  context.after(() => server.close());
  return { asked };
}

/** OP_REP_IMPORT with ST_NA */
const NOT_GIVEN = Uint8Array.of(0x01, 0x11, 0x00, 0x03, 0, 0, 0, 1);

test("a host that tells of a device and keeps it the first time is asked again", async (context) => {
  const bench = await Bench.start(context);
  const path = join(bench.folder, "moody.sock");
  let imports = 0;
  const server = createServer((client) => {
    client.once("data", (first: Buffer) => {
      if (first.readUInt16BE(2) === 0x8003 && imports++ === 0) {
        client.write(NOT_GIVEN);
        return;
      }
      const served = connect(join(bench.folder, "host.sock"));
      served.write(first);
      client.pipe(served).pipe(client);
      served.on("error", () => client.destroy());
      client.on("error", () => served.destroy());
    });
    client.on("error", () => {});
  }).listen(path);
  context.after(() => server.close());
  bench.host.plug(APPLICATION);
  const { wish, device } = await bench.keep({ address: `unix:${path}` });
  assert.deepEqual([wish.state, device], ["waiting", undefined]);
  assert.match(wish.reason!, /does not give serial: it is attached elsewhere, or not shared/);
  await bench.untilAttached("serial on 0");
  assert.equal(imports, 2);
  assert.equal(bench.told("NOT_ATTACHED").length, 1);
});

test("a stock server is asked for its list, and left alone while nobody waits", async (context) => {
  const bench = await Bench.start(context);
  const path = join(bench.folder, "stock.sock");
  const { asked } = stockServer(context, path, join(bench.folder, "host.sock"));
  const { wish } = await bench.keep({ address: `unix:${path}` });
  assert.deepEqual([wish.state, wish.watching], ["waiting", "polled"]);
  bench.host.plug(APPLICATION);
  await bench.untilAttached("serial on 0");
  assert.equal(bench.told("EVENTS_NOT_PUSHED").length, 1);
  const lists = asked.filter((operation) => operation === 0x8005).length;
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(asked.filter((operation) => operation === 0x8005).length, lists);
  await bench.host.unplug("serial");
  await until(
    () => bench.attached.length === 0,
    () => "it is gone",
  );
  bench.host.plug(BOOTLOADER);
  await bench.untilAttached("serial on 0");
  assert.equal(
    asked.filter((operation) => operation === 0x8e01).length,
    1,
    "it is not asked again and again",
  );
  assert.deepEqual(bench.told("NOT_ATTACHED"), []);
});

test("a stock server's devices are asked for their serial number once each", async (context) => {
  const bench = await Bench.start(context);
  const path = join(bench.folder, "stock.sock");
  const { asked } = stockServer(context, path, join(bench.folder, "host.sock"));
  bench.host.plug(`${APPLICATION},serial=one`);
  bench.host.plug(`${APPLICATION},serial=two`);
  await bench.keep({ address: `unix:${path}`, devices: ["2341:8036:three"] });
  await until(
    () => asked.filter((operation) => operation === 0x8005).length >= 4,
    () => asked.join(),
  );
  assert.equal(asked.filter((operation) => operation === 0x8003).length, 2);
  bench.host.plug(`${APPLICATION},serial=three`);
  await bench.untilAttached("serial-3 on 0");
});
