import { test } from "node:test";
import { dial } from "../../src/links/dial.ts";
import type { Link } from "../../src/links/link.ts";
import { LinkError } from "../../src/links/link-error.ts";
import { type LinkAddress, listen } from "../../src/links/listen.ts";
import { PollLink } from "../../src/links/poll-link.ts";
import { VMADDR_CID_LOCAL, VMADDR_PORT_ANY } from "../../src/linux/vsock.ts";
import { PumpedLoop } from "../support/pumped-loop.ts";
import { type LinkPair, linkConformance } from "./link.ts";

const loopback = { kind: "vsock", cid: VMADDR_CID_LOCAL, port: VMADDR_PORT_ANY } as const;

async function pair(dialledIsHere: boolean): Promise<LinkPair> {
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const listener = await listen(loopback, arrived);
  try {
    const dialled = await dial(listener.address as LinkAddress);
    const accepted = await arriving;
    const close = () => listener.close();
    return dialledIsHere
      ? { here: dialled, there: accepted, close }
      : { here: accepted, there: dialled, close };
  } catch (error) {
    listener.close();
    throw error;
  }
}

async function polledPair(): Promise<LinkPair> {
  const pumped = new PumpedLoop();
  const { here, there, close } = await pair(false);
  const fd = await new Promise<number>((resolve) => here.move!(resolve));
  return {
    here: new PollLink(here.peer, fd, pumped.loop, here.writeBytes),
    there,
    close: () => {
      close?.();
      setTimeout(() => pumped.close(), 50);
    },
  };
}

/** Why there is no connection from this machine to itself. */
async function obstacle(): Promise<string | undefined> {
  try {
    const { here, there, close } = await pair(true);
    here.destroy();
    there.destroy();
    close?.();
    return undefined;
  } catch (error) {
    if (error instanceof LinkError) return error.message;
    throw error;
  }
}

const missing = await obstacle();
if (missing === undefined) {
  linkConformance("vsock, from the dialling side", () => pair(true));
  linkConformance("vsock, from the accepting side", () => pair(false));
  linkConformance("poll over vsock", polledPair);
} else {
  // The guests of test/vm have the module vsock_loopback and run this file (scenarios/links.ts).
  test("vsock: the promises of a link", { skip: missing }, () => {});
}
