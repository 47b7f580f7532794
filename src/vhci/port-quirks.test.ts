import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Speed } from "../usb/speed.ts";
import { Vhci } from "./vhci.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-quirks-"));
after(() => rmSync(root, { recursive: true }));

const HEAD = "hub port sta spd dev      sockfd local_busid\n";
const free = (hub: string, port: number): string =>
  `${hub}  ${String(port).padStart(4, "0")} 004 000 00000000 000000 0-0\n`;

/** Two controllers with a hub of each kind and two ports on each, as a kernel numbers and names them. */
function platform(name: string): string {
  const folder = join(root, name);
  let bus = 5;
  for (const controller of [0, 1]) {
    for (const speed of [480, 5000]) {
      const hub = join(folder, `vhci_hcd.${controller}`, `usb${bus}`);
      for (const port of [1, 2])
        mkdirSync(join(hub, `${bus}-0:1.0`, `usb${bus}-port${port}`), { recursive: true });
      writeFileSync(join(hub, "speed"), `${speed}\n`);
      bus++;
    }
  }
  const vhci = join(folder, "vhci_hcd.0");
  writeFileSync(join(vhci, "attach"), "");
  writeFileSync(join(vhci, "status"), HEAD + free("hs", 0) + free("hs", 1) + free("ss", 2) + free("ss", 3));
  writeFileSync(join(vhci, "status.1"), HEAD + free("hs", 4) + free("hs", 5) + free("ss", 6) + free("ss", 7));
  return folder;
}

function quirks(folder: string, controller: number, bus: number, port: number): string {
  return join(folder, `vhci_hcd.${controller}/usb${bus}/${bus}-0:1.0/usb${bus}-port${port}/quirks`);
}

test("the port that is given a device is enumerated quickly, and keeps what else was said of it", () => {
  const folder = platform("both");
  const files = [
    quirks(folder, 0, 5, 2),
    quirks(folder, 0, 6, 1),
    quirks(folder, 1, 7, 1),
    quirks(folder, 1, 8, 2),
    quirks(folder, 0, 5, 1),
  ];
  for (const file of files) writeFileSync(file, "00000004\n");
  const vhci = new Vhci(join(folder, "vhci_hcd.0"));
  assert.equal(vhci.attach(21, 1, Speed.full, { preferred: { hs: 1 } }), 1);
  assert.equal(vhci.attach(21, 1, Speed.super, { preferred: { ss: 2 } }), 2);
  assert.equal(vhci.attach(21, 1, Speed.low, { preferred: { hs: 4 } }), 4);
  assert.equal(vhci.attach(21, 1, Speed.super, { preferred: { ss: 7 } }), 7);
  assert.deepEqual(
    files.map((file) => readFileSync(file, "latin1")),
    ["6", "7", "6", "7", "00000004\n"],
  );
});

test("one reset is enough where the port had a device of that speed before, and for high speed", () => {
  const folder = platform("speeds");
  const file = quirks(folder, 0, 5, 2);
  writeFileSync(file, "00000000\n");
  const vhci = new Vhci(join(folder, "vhci_hcd.0"));
  const seen = [Speed.full, Speed.full, Speed.high, Speed.high, Speed.full, Speed.low, Speed.low].map(
    (speed) => {
      vhci.attach(21, 1, speed, { preferred: { hs: 1 } });
      return Number.parseInt(readFileSync(file, "latin1"), 16);
    },
  );
  assert.deepEqual(seen, [2, 3, 3, 3, 2, 2, 3]);
  vhci.settled(1);
  assert.equal(readFileSync(file, "latin1"), "2");
});

test("a port that cannot be told is given its device all the same", () => {
  const folder = platform("none");
  const vhci = new Vhci(join(folder, "vhci_hcd.0"));
  assert.equal(vhci.attach(21, 1, Speed.full), 0);
  writeFileSync(quirks(folder, 0, 5, 1), "00000003\n");
  assert.equal(vhci.attach(21, 1, Speed.full), 0);
  assert.equal(readFileSync(quirks(folder, 0, 5, 1), "latin1"), "00000003\n");
});
