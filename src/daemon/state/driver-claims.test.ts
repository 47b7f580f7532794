import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { DriverClaim } from "../../hardware/driver-claim.ts";
import { DRIVER_CLAIMS, DriverClaims } from "./driver-claims.ts";
import { StateFolder } from "./state-folder.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-claims-"));
after(() => rmSync(root, { recursive: true }));

const STICK: DriverClaim = {
  busid: "1-2.3",
  idVendor: 0x0781,
  idProduct: 0x5581,
  serial: "4C53",
  configuration: 1,
  drivers: [{ interfaceNumber: 0, driver: "usb-storage" }],
};
const MODEM: DriverClaim = {
  busid: "2-1",
  idVendor: 0x0483,
  idProduct: 0x5740,
  configuration: 1,
  drivers: [0, 1].map((interfaceNumber) => ({ interfaceNumber, driver: "cdc_acm" })),
};

test("a claim is in the file before the device is taken, and no longer when it is given back", async () => {
  const folder = new StateFolder(join(root, "kept"));
  const { store, close } = await folder.open(DRIVER_CLAIMS);
  const claims = new DriverClaims(store, { warn: assert.fail });
  const inFile = (): unknown => JSON.parse(readFileSync(store.path, "utf8")).claims;
  await new Promise<void>((kept) => claims.taking(STICK, kept));
  assert.deepEqual(inFile(), [STICK]);
  await new Promise<void>((kept) => claims.taking(MODEM, kept));
  await new Promise<void>((kept) => claims.taking(STICK, kept));
  assert.deepEqual(inFile(), [MODEM, STICK]);
  claims.returned(MODEM);
  await store.settled();
  assert.deepEqual(inFile(), [STICK]);
  await close();

  // The next process, after the first one was killed.
  const next = await folder.open(DRIVER_CLAIMS);
  const found = new DriverClaims(next.store, { warn: assert.fail });
  assert.deepEqual(found.list(), [STICK]);
  await found.forget(found.list());
  assert.deepEqual(inFile(), []);
  await next.close();
});

test("a device is taken although its claim cannot be kept, and the log says so", async () => {
  const folder = new StateFolder(join(root, "full"));
  const { store, close } = await folder.open(DRIVER_CLAIMS);
  const lines: string[] = [];
  const claims = new DriverClaims(store, { warn: (_, message) => void lines.push(message) });
  rmSync(folder.path, { recursive: true });
  writeFileSync(folder.path, "");
  await new Promise<void>((kept) => claims.taking(STICK, kept));
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^STATE_NOT_KEPT the change is not kept: .*claims\.json cannot be written/);
  await close();
});
