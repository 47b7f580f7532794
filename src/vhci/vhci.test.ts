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

test("attaches to the port that is asked for if it is free, and to those of others only where there is no other", () => {
  const status = HEAD + free("hs", 0) + free("hs", 1) + free("hs", 2) + free("ss", 3) + free("ss", 4);
  const vhci = new Vhci(sysfs({ status }));
  const preferred = { hs: 2, ss: 4 };
  assert.equal(vhci.attach(21, 1, Speed.high, { preferred }), 2);
  assert.equal(vhci.attach(21, 1, Speed.super, { preferred }), 4);
  assert.equal(vhci.attach(21, 1, Speed.high, { preferred: { hs: 7, ss: 3 } }), 0);
  assert.equal(vhci.attach(21, 1, Speed.high, { avoided: new Set([0, 2]) }), 1);
  assert.equal(vhci.attach(21, 1, Speed.high, { avoided: new Set([0, 1, 2]) }), 0);
  assert.equal(vhci.attach(21, 1, Speed.high, { preferred: { hs: 1 }, avoided: new Set([1]) }), 1);
  const taken = new Vhci(sysfs({ status: HEAD + free("hs", 0) + used("hs", 1) }));
  assert.equal(taken.attach(21, 1, Speed.high, { preferred: { hs: 1 } }), 0);
});

test("reads every controller, in the order of the ports", () => {
  const files: Record<string, string> = { status: HEAD + free("hs", 0), nports: "24" };
  for (let i = 1; i < 12; i++) files[`status.${i}`] = HEAD + free("hs", 2 * i) + free("ss", 2 * i + 1);
  assert.deepEqual(
    new Vhci(sysfs(files)).ports().map(({ port }) => port),
    [0, ...Array.from({ length: 22 }, (_, i) => i + 2)],
  );
});

test("one port is seen as it is now, wherever its controller's file is", () => {
  const folder = sysfs({ status: HEAD + free("hs", 0) + free("ss", 1), "status.1": HEAD + free("hs", 2) });
  const vhci = new Vhci(folder);
  const states = () => [0, 1, 2, 3].map((port) => vhci.port(port)?.state);
  assert.deepEqual(states(), [4, 4, 4, undefined]);
  writeFileSync(join(folder, "status.1"), HEAD + used("hs", 2));
  writeFileSync(join(folder, "status"), HEAD + used("hs", 0) + free("ss", 1));
  assert.deepEqual(states(), [6, 4, 6, undefined]);
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

/** An attach file that answers for the kernel: `refuse` gives the errno for a port, or nothing when it takes it. */
function kernelThat(refuse: (port: number) => string | undefined): {
  write: (path: string, text: string) => void;
  asked: number[];
} {
  const asked: number[] = [];
  const write = (_: string, text: string): void => {
    const port = Number(text.split(" ")[0]);
    asked.push(port);
    const code = refuse(port);
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  };
  return { write, asked };
}

test("a port that others take between the look and the write makes way for the next", () => {
  const folder = sysfs({ status: HEAD + free("hs", 0) + free("hs", 1) + free("hs", 2) + free("ss", 3) });
  // Another attach always comes first, and the status still shows what it was.
  const { write, asked } = kernelThat((port) => (port < 2 ? "EBUSY" : undefined));
  assert.equal(new Vhci(folder, write).attach(21, 1, Speed.high), 2);
  assert.deepEqual(asked, [0, 1, 2]);
});

test("a port whose controller is not ready makes way for the next", () => {
  const folder = sysfs({ status: HEAD + free("ss", 2) + free("ss", 3) });
  const { write, asked } = kernelThat((port) => (port === 2 ? "EAGAIN" : undefined));
  assert.equal(new Vhci(folder, write).attach(21, 1, Speed.super), 3);
  assert.deepEqual(asked, [2, 3]);
});

test("a hub whose every port is taken meanwhile is full, and each was tried once", () => {
  const folder = sysfs({ status: HEAD + free("hs", 0) + free("hs", 1) + free("ss", 2) });
  const { write, asked } = kernelThat(() => "EBUSY");
  const vhci = new Vhci(folder, write);
  assert.equal(refusal(() => vhci.attach(21, 1, Speed.high)).code, "NO_FREE_PORT");
  assert.deepEqual(asked, [0, 1]);
});

test("any other refusal is told at once", () => {
  const folder = sysfs({ status: HEAD + free("hs", 0) + free("hs", 1) });
  const { write, asked } = kernelThat(() => "EINVAL");
  const vhci = new Vhci(folder, write);
  assert.equal(refusal(() => vhci.attach(21, 1, Speed.high)).code, "REFUSED");
  assert.deepEqual(asked, [0]);
});
