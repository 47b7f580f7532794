import assert from "node:assert/strict";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type PluggedGadget, plugGadget } from "../../../src/daemon/backing/plugged-gadget.ts";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import type { SerialBridge } from "../../../src/gadgets/catalog.ts";
import { Speed } from "../../../src/usb/speed.ts";
import { ATTACH_LINES, attach, detachAll } from "../attachment.ts";
import { numberedBytes } from "../guest/serial.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const BYTES = 256 * 1024;
const PORT = "/dev/ttyACM0";
/** Long enough for every buffer on the way to be full before the first byte is read. */
const PAUSE_MS = 500;

/** A program of the host at the other end: it lets the guest wait, takes all bytes, then sends its own. */
interface Program {
  readonly received: Promise<Buffer>;
}

/** Bytes that cannot be mistaken for those of the guest. */
const HOSTS_BYTES = numberedBytes(BYTES).map((byte) => byte ^ 0xff);

async function converse(
  read: (length: number) => Promise<Buffer>,
  write: (bytes: Uint8Array) => Promise<unknown>,
): Promise<Buffer> {
  await sleep(PAUSE_MS);
  const pieces: Buffer[] = [];
  for (let left = BYTES; left > 0; left -= pieces.at(-1)!.length) pieces.push(await read(left));
  await write(HOSTS_BYTES);
  return Buffer.concat(pieces);
}

async function throughPty(path: string): Promise<Buffer> {
  const terminal = await open(path, "r+");
  try {
    const buffer = Buffer.alloc(4096);
    return await converse(
      async (length) => {
        const { bytesRead } = await terminal.read(buffer, 0, Math.min(length, buffer.length), null);
        return Buffer.from(buffer.subarray(0, bytesRead));
      },
      (bytes) => terminal.writeFile(bytes),
    );
  } finally {
    await terminal.close();
  }
}

async function throughSocket(socket: Socket): Promise<Buffer> {
  return converse(
    async (length) => {
      for (;;) {
        const bytes = socket.read(Math.min(length, Math.max(socket.readableLength, 1))) as Buffer | null;
        if (bytes !== null) return bytes;
        await once(socket, "readable");
      }
    },
    async (bytes) => socket.write(bytes),
  );
}

async function exchange(
  guest: Guest,
  bridge: SerialBridge,
  program: (gadget: PluggedGadget) => Program,
): Promise<void> {
  const log = { info: () => {}, warn: () => {} };
  const specification = { kind: "serial", speed: Speed.high, serial: "serial", bridge } as const;
  const gadget = await plugGadget(specification, new LibuvLoop(), log, undefined);
  const host = await ServedHost.start({ serial: gadget.device });
  try {
    await guest.loadModule("cdc-acm");
    await attach(guest, host.port, ["serial"]);
    await guest.waitFor("the port", `test -c ${PORT}`);
    await guest.shell(`stty -F ${PORT} raw -echo`);
    const { received } = program(gadget);
    const sent = guest.call("test/vm/guest/serial.js", "sendThenReceive", [PORT, BYTES, PAUSE_MS], 60_000);
    const [came, back] = await Promise.all([received, sent]);
    assert(came.equals(numberedBytes(BYTES)), "what came to the host");
    assert.equal(back, -1, "where what came to the guest differs first");
    await detachAll(guest);
  } finally {
    await host.stop();
    await gadget.close();
  }
}

const name = (bridge: string) => `256 KiB through a serial port each way, the other end a ${bridge}`;

export const ptyBridge: Scenario = {
  name: name("pseudo terminal"),
  expected: ATTACH_LINES,
  run: (guest) =>
    exchange(guest, "pty", ({ note }) => ({ received: throughPty(/\/dev\/pts\/\d+/.exec(note!)![0]) })),
};

export const tcpBridge: Scenario = {
  name: name("TCP connection"),
  expected: ATTACH_LINES,
  async run(guest) {
    // Each opening of the port is a connection; stty's is the first and says nothing.
    const sockets = new Set<Socket>();
    let isTalking = false;
    let talk!: (bytes: Promise<Buffer>) => void;
    const received = new Promise<Buffer>((resolve) => {
      talk = resolve;
    });
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      if (isTalking) talk(throughSocket(socket));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      await exchange(guest, { tcp: (server.address() as AddressInfo).port }, () => {
        isTalking = true;
        return { received };
      });
    } finally {
      server.close();
      for (const socket of sockets) socket.destroy();
    }
  },
};
