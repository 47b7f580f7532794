import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Speed } from "../usb/speed.ts";
import { Vhci } from "./vhci.ts";
import { VhciError } from "./vhci-error.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-vhci-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

/** The files of vhci_hcd: `files` by name, `attach` and `detach` beside them. */
function sysfs(files: Readonly<Record<string, string>>): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const [name, text] of Object.entries({ attach: "", detach: "", ...files })) {
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const HEAD = "hub port sta spd dev      sockfd local_busid\n";
const free = (hub: string, port: number): string =>
  `${hub}  ${String(port).padStart(4, "0")} 004 000 00000000 000000 0-0\n`;
const used = (hub: string, port: number, devid = "00010002"): string =>
  `${hub}  ${String(port).padStart(4, "0")} 006 003 ${devid} 000003 1-1\n`;
const unready = (hub: string, port: number): string =>
  `${hub}  ${String(port).padStart(4, "0")} 000 000 00000000 0000000000000000 0-0\n`;

function refusal(attempt: () => unknown): VhciError {
  try {
    attempt();
  } catch (error) {
    assert(error instanceof VhciError);
    return error;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

test("attaches to the first free port of the hub for the speed, over all controllers", () => {
  const status = HEAD + used("hs", 0) + used("hs", 1) + used("ss", 2) + free("ss", 3);
  const folder = sysfs({ status, "status.1": HEAD + unready("hs", 4) + free("hs", 5) + free("ss", 6) });
  const vhci = new Vhci(folder);
  const written = () => readFileSync(join(folder, "attach"), "utf8");
  assert.deepEqual([vhci.attach(21, 0x10002, Speed.full), written()], [5, "5 21 65538 2"]);
  assert.deepEqual([vhci.attach(22, 7, Speed.super), written()], [3, "3 22 7 5"]);
  assert.deepEqual([vhci.attach(22, 7, Speed.superPlus), written()], [3, "3 22 7 6"]);
});

test("reads every controller, in the order of the ports", () => {
  const files: Record<string, string> = { status: HEAD + free("hs", 0), nports: "24" };
  for (let i = 1; i < 12; i++) files[`status.${i}`] = HEAD + free("hs", 2 * i) + free("ss", 2 * i + 1);
  assert.deepEqual(
    new Vhci(sysfs(files)).ports().map(({ port }) => port),
    [0, ...Array.from({ length: 22 }, (_, i) => i + 2)],
  );
});

test("a hub without a free port is told from one without a module", () => {
  const vhci = new Vhci(sysfs({ status: HEAD + used("hs", 0) + free("ss", 1) }));
  const full = refusal(() => vhci.attach(21, 1, Speed.high));
  assert.equal(full.code, "NO_FREE_PORT");
  assert.match(full.message, /all 1 ports for devices up to high speed are in use.*usbferry detach PORT/);

  const missing = new Vhci(join(root, "missing"));
  for (const attempt of [() => missing.ports(), () => missing.attach(21, 1, Speed.high)]) {
    const error = refusal(attempt);
    assert.equal(error.code, "NO_MODULE");
    assert.match(error.message, /sudo modprobe vhci-hcd/);
  }
  assert.equal(missing.obstacle()?.code, "NO_MODULE");
  assert.equal(vhci.obstacle(), undefined);
});

test("a devid is one that no port has", () => {
  const first = new Vhci(sysfs({ status: HEAD + used("hs", 0) })).unusedDevid();
  const hex = first.toString(16).padStart(8, "0");
  const second = new Vhci(sysfs({ status: HEAD + used("hs", 0, hex) })).unusedDevid();
  assert.notEqual(second, first);
});
