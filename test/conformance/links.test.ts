import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dial } from "../../src/links/dial.ts";
import type { Link } from "../../src/links/link.ts";
import { type LinkAddress, listen } from "../../src/links/listen.ts";
import { memoryPair } from "../../src/links/memory.ts";
import { PollLink } from "../../src/links/poll-link.ts";
import { PumpedLoop } from "../support/pumped-loop.ts";
import { type LinkPair, linkConformance } from "./link.ts";

async function socketPair(address: LinkAddress, dialledIsHere: boolean): Promise<LinkPair> {
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const listener = await listen(address, arrived);
  const dialled = await dial(listener.address as LinkAddress);
  const accepted = await arriving;
  const close = () => listener.close();
  return dialledIsHere
    ? { here: dialled, there: accepted, close }
    : { here: accepted, there: dialled, close };
}

async function unixPair(dialledIsHere: boolean): Promise<LinkPair> {
  const directory = mkdtempSync(join(tmpdir(), "usbferry-"));
  const pair = await socketPair({ kind: "unix", path: join(directory, "link.sock") }, dialledIsHere);
  return {
    ...pair,
    close: () => {
      pair.close?.();
      rmSync(directory, { recursive: true });
    },
  };
}

const loopback = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
linkConformance("tcp, from the dialling side", () => socketPair(loopback, true));
linkConformance("tcp, from the accepting side", () => socketPair(loopback, false));
linkConformance("unix, from the dialling side", () => unixPair(true));
linkConformance("unix, from the accepting side", () => unixPair(false));

/** What a worker gets: the descriptor of a link that began in the event loop. */
async function moved(link: Link, { loop }: PumpedLoop): Promise<Link> {
  const fd = await new Promise<number>((resolve) => link.move!(resolve));
  return new PollLink(link.peer, fd, loop);
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
