import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Case } from "../../bench/case.ts";
import { LinkLoad } from "../../bench/link-load.ts";
import { UsbipTalk } from "../../bench/load/usbip-talk.ts";
import { WslusbTalk } from "../../bench/load/wslusb-talk.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import { createGadget } from "../../src/gadgets/catalog.ts";
import { dial } from "../../src/links/dial.ts";
import { Speed } from "../../src/usb/speed.ts";

const warnings: string[] = [];
const exports = new ExportTable();
exports.add("zero", createGadget({ kind: "zero", speed: Speed.high, pattern: 0 }));
const host = new Host(exports, new LibuvLoop(), {
  info: () => {},
  warn: (_fields: object, line: string) => warnings.push(line),
});
after(() => host.stop());

const CASES: readonly Case[] = [
  { direction: "in", size: 512, depth: 32 },
  { direction: "in", size: 1 << 20, depth: 2 },
  // More than the credit of WSL-USB.
  { direction: "out", size: 1 << 20, depth: 2 },
];

for (const [protocol, Talk] of [
  ["USB/IP", UsbipTalk],
  ["WSL-USB", WslusbTalk],
] as const) {
  test(`a load over ${protocol} gets what it asks for, and the host has nothing to complain of`, async () => {
    if (host.addresses.length === 0) await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
    for (const one of CASES) {
      // oxlint-disable-next-line no-await-in-loop -- the device is for one client at a time
      const link = await dial(dialPlace(host.addresses[0]!));
      // oxlint-disable-next-line no-await-in-loop -- as above
      const { p50Us, p99Us } = await new LinkLoad(link, one, Talk).run(10, 100);
      assert.ok(p50Us > 0 && p99Us >= p50Us);
    }
    assert.deepEqual(warnings, []);
  });
}
