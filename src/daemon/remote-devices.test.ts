import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { createGadget } from "../gadgets/catalog.ts";
import { ExportTable } from "./export-table.ts";
import { Failed } from "./failure.ts";
import { Host } from "./host.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import { listRemoteDevices } from "./remote-devices.ts";

async function serverThat(answers: (socket: Socket) => void): Promise<{ server: Server; address: string }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    answers(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, address: `tcp:${(server.address() as AddressInfo).port}` };
}

test("the devices of a host are listed as it describes them", async () => {
  const exports = new ExportTable();
  exports.add("keyboard", createGadget({ kind: "keyboard", speed: 1, vendorId: 0x1234, productId: 0xabcd }));
  const host = new Host(exports, new LibuvLoop(), { info() {}, warn() {} });
  await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
  const devices = await listRemoteDevices(host.addresses[0]!);
  await host.stop();
  assert.deepEqual(
    devices.map(({ busid, idVendor, idProduct, speed, busnum, devnum, interfaces }) => ({
      busid,
      idVendor,
      idProduct,
      speed,
      busnum,
      devnum,
      interfaces: interfaces.map((i) => i.bInterfaceClass),
    })),
    [
      {
        busid: "keyboard",
        idVendor: 0x1234,
        idProduct: 0xabcd,
        speed: 1,
        busnum: 1,
        devnum: 1,
        interfaces: [3],
      },
    ],
  );
});

for (const [what, answers, reason] of [
  ["closes at once", (socket) => socket.end(), /the host closed after 0 of unknown devices \(TRUNCATED\)/],
  [
    "speaks something else",
    (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"),
    /version 0x4854.*\(BAD_VERSION\)/,
  ],
  ["says nothing", () => {}, /it was silent for 0\.2 s/],
] satisfies readonly (readonly [string, (socket: Socket) => unknown, RegExp])[]) {
  test(`a host that ${what} is told with the reason and what to check`, async () => {
    const { server, address } = await serverThat(answers);
    await assert.rejects(listRemoteDevices(address, 200), (error) => {
      assert(error instanceof Failed);
      assert.match(error.message, /^tcp:127\.0\.0\.1:\d+ did not list its devices: /);
      assert.match(error.message, reason);
      assert.match(error.message, /Check that a USB\/IP host listens there and that port \d+ is right\.$/);
      return true;
    });
    server.close();
  });
}

test("of two addresses to listen on, a bad one leaves neither open", async () => {
  const { server, address } = await serverThat(() => {});
  const port = Number(address.slice("tcp:".length));
  const host = new Host(new ExportTable(), new LibuvLoop(), { info() {}, warn() {} });
  await assert.rejects(
    host.listen([
      { kind: "tcp", host: "127.0.0.2", port },
      { kind: "tcp", host: "127.0.0.1", port },
    ]),
    /another program listens there/,
  );
  assert.deepEqual(host.addresses, []);
  await assert.rejects(listRemoteDevices(`tcp:127.0.0.2:${port}`), /nothing listens there/);
  server.close();
});
