import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Direction } from "../../bench/case.ts";
import { compile } from "../../bench/compile.ts";
import { LIBUV, RunningContender, reference } from "../../bench/contender.ts";
import { LoadClient } from "../../bench/load.ts";
import { annotatedHex, toHex } from "../support/annotated-hex.ts";

const inTypeScript = new LoadClient("TypeScript", [
  process.execPath,
  fileURLToPath(new URL("../../bench/load/load.js", import.meta.url)),
]);
const built = LoadClient.build();
const clients = built.language === "C" ? [built, inTypeScript] : [inTypeScript];
const TIMES = { warmMs: 10, measureMs: 50, urbs: 0 };

const IMPORT = annotatedHex(`
  0111 8003 00000000                                                   OP_REQ_IMPORT
  7a65726f00000000 0000000000000000 0000000000000000 0000000000000000  busid "zero"
`);
const SET_CONFIGURATION = annotatedHex(`
  00000001 00000001 00020007  CMD_SUBMIT, seqnum, devid
  00000000 00000000           direction OUT, ep
  00000000 00000000 00000000 00000000 00000000
  00 09 0300 0000 0000        setup
`);
const CONFIGURED = annotatedHex(`
  00000003 00000001 00000000 00000000 00000000  RET_SUBMIT, seqnum
  00000000 00000000 00000000 00000000 00000000  status, actual_length
  0000000000000000
`);
const STALLED = annotatedHex(`
  00000003 00000002 00000000 00000000 00000000  RET_SUBMIT, seqnum
  ffffffe0 00000004 00000000 00000000 00000000  EPIPE
  0000000000000000
`);

function importReply(): Uint8Array {
  const reply = new Uint8Array(320);
  reply.set([0x01, 0x11, 0x00, 0x03]);
  reply.set([0, 2, 0, 0, 0, 7], 8 + 290); // busnum 2, devnum 7
  return reply;
}

async function readBytes(socket: Socket, length: number): Promise<Uint8Array> {
  for (;;) {
    const bytes = socket.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

for (const client of clients) {
  const name = `the load client in ${client.language}`;

  test(`${name} asks as a Linux client does, and a failed transfer ends its run`, async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const running = client.run(port, { direction: "in", size: 4, depth: 1 }, TIMES, undefined);
    running.catch(() => {});
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {});
    assert.equal(toHex(await readBytes(socket, 40)), toHex(IMPORT));
    socket.write(importReply());
    assert.equal(toHex(await readBytes(socket, 48)), toHex(SET_CONFIGURATION));
    socket.write(CONFIGURED);
    const submit = await readBytes(socket, 48);
    assert.equal(toHex(submit.subarray(8, 28)), "0002000700000001000000010000000000000004");
    STALLED.set(submit.subarray(4, 8), 4);
    socket.write(STALLED);
    await assert.rejects(running, /a transfer failed/);
    socket.destroy();
    server.close();
  });

  for (const direction of ["in", "out"] satisfies Direction[]) {
    test(`${name} gets right answers from the host and from the reference, ${direction}`, async () => {
      const program = compile("reference/server.c");
      for (const contender of program === undefined ? [LIBUV] : [LIBUV, reference(program)]) {
        const server = await RunningContender.start(contender, undefined);
        try {
          for (const size of [0, 1, 512, 70_000]) {
            const one = { direction, size, depth: 3 };
            const { urbs, measured, p99 } = await client.run(server.port, one, TIMES, undefined);
            assert(urbs >= measured && measured > 0 && p99 > 0, `${contender.name}, ${size} bytes`);
          }
        } finally {
          await server.stop();
        }
      }
    });
  }
}
