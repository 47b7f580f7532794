import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dial } from "../../src/links/dial.ts";
import type { Link } from "../../src/links/link.ts";
import { type LinkAddress, listen } from "../../src/links/listen.ts";
import { memoryPair } from "../../src/links/memory.ts";
import { MovableLink } from "../../src/links/movable-link.ts";
import { PollLink } from "../../src/links/poll-link.ts";
import { adopt } from "../../src/links/stream-handle.ts";
import type { TlsTrust } from "../../src/links/trust.ts";
import { machine, trusting } from "../support/paired.ts";
import { openPair } from "../support/poll-loop.ts";
import { PumpedLoop } from "../support/pumped-loop.ts";
import { VsockMonitor } from "../support/vsock-monitor.ts";
import { type LinkPair, linkConformance } from "./link.ts";

async function socketPair(
  address: LinkAddress,
  dialledIsHere: boolean,
  trusts: readonly [listening?: TlsTrust, dialling?: TlsTrust] = [],
): Promise<LinkPair> {
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const [listening, dialling] = trusts.map((trust) => (trust === undefined ? {} : { trust }));
  const listener = await listen(address, arrived, listening);
  const dialled = await dial(listener.address as LinkAddress, dialling);
  const accepted = await arriving;
  const close = () => listener.close();
  return dialledIsHere
    ? { here: dialled, there: accepted, close }
    : { here: accepted, there: dialled, close };
}

/** A folder for one test. */
async function inFolder(make: (folder: string) => Promise<LinkPair>): Promise<LinkPair> {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-"));
  const pair = await make(folder);
  return {
    ...pair,
    close: () => {
      pair.close?.();
      rmSync(folder, { recursive: true });
    },
  };
}

function unixPair(dialledIsHere: boolean): Promise<LinkPair> {
  return inFolder((folder) => socketPair({ kind: "unix", path: join(folder, "link.sock") }, dialledIsHere));
}

const machines = Promise.all([machine("here"), machine("there")]);

async function tlsPair(dialledIsHere: boolean): Promise<LinkPair> {
  const [one, other] = await machines;
  const trusts = [trusting(one, other), trusting(other, one)] as const;
  return socketPair({ ...loopback, kind: "tls" }, dialledIsHere, trusts);
}

/** The host dials: through a monitor, which is the guest. */
function hybridPair(): Promise<LinkPair> {
  return inFolder(async (folder) => {
    let arrived!: (link: Link) => void;
    const arriving = new Promise<Link>((resolve) => {
      arrived = resolve;
    });
    const monitor = await VsockMonitor.listen(join(folder, "vm.vsock"), arrived);
    const here = await dial({ kind: "fc-vsock", path: monitor.path, port: 5000 });
    return { here, there: await arriving, close: monitor.close };
  });
}

/** The guest dials: the monitor connects to the socket of that port. */
function hybridListenerPair(): Promise<LinkPair> {
  return inFolder(async (folder) => {
    let arrived!: (link: Link) => void;
    const arriving = new Promise<Link>((resolve) => {
      arrived = resolve;
    });
    const path = join(folder, "vm.vsock");
    const listener = await listen({ kind: "fc-vsock", path, port: 5000 }, arrived);
    const there = await dial({ kind: "unix", path: `${path}_5000` });
    return { here: await arriving, there, close: () => listener.close() };
  });
}

/** As those of vsock, which no machine needs to have. */
const TRAITS = { writeBytes: 32_000 };

/** A stream of a family that Node does not know. */
function adoptedPair(): Promise<LinkPair> {
  const [one, other] = openPair();
  return Promise.resolve({ here: adopted(one), there: adopted(other) });
}

function adopted(fd: number): Link {
  return new MovableLink("adopted", (onread) => adopt(fd, onread), TRAITS);
}

const loopback = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
linkConformance("tcp, from the dialling side", () => socketPair(loopback, true));
linkConformance("tcp, from the accepting side", () => socketPair(loopback, false));
linkConformance("unix, from the dialling side", () => unixPair(true));
linkConformance("unix, from the accepting side", () => unixPair(false));
linkConformance("tls, from the dialling side", () => tlsPair(true));
linkConformance("tls, from the accepting side", () => tlsPair(false));
linkConformance("fc-vsock, from the dialling side", hybridPair);
linkConformance("fc-vsock, from the accepting side", hybridListenerPair);

/** What a worker gets: the descriptor of a link that began in the event loop. */
async function moved(link: Link, { loop }: PumpedLoop): Promise<Link> {
  const fd = await new Promise<number>((resolve) => link.move!(resolve));
  return new PollLink(link.peer, fd, loop, link.writeBytes);
}

async function polledPair(pair: Promise<LinkPair>, both: boolean): Promise<LinkPair> {
  const pumped = new PumpedLoop();
  const { here, there, close } = await pair;
  return {
    here: await moved(here, pumped),
    there: both ? await moved(there, pumped) : there,
    // Once what is over has been told to everybody.
    close: () => {
      close?.();
      setTimeout(() => pumped.close(), 50);
    },
  };
}

if (process.platform === "linux") {
  linkConformance("adopted", adoptedPair);
  linkConformance("poll over adopted", () => polledPair(adoptedPair(), false));
  linkConformance("poll over tls", () => polledPair(tlsPair(false), false));
  linkConformance("poll over tcp", () => polledPair(socketPair(loopback, true), false));
  linkConformance("poll over unix", () => polledPair(unixPair(false), false));
  linkConformance("poll over unix, on both sides", () => polledPair(unixPair(true), true));
  linkConformance("tcp, to one that polls", async () => {
    const { here, there, close } = await polledPair(socketPair(loopback, false), false);
    return { here: there, there: here, ...(close !== undefined && { close }) };
  });
}

const turns = { soon: (callback: () => void) => void setImmediate(callback) };
for (const seed of [undefined, 1, 2, 3]) {
  linkConformance(seed === undefined ? "memory" : `memory, seed ${seed}`, async () => {
    const [here, there] = memoryPair(turns, seed);
    return { here, there };
  });
}
