import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { forgetWishes, openWishes } from "./open-wishes.ts";
import { StateFolder } from "./state-folder.ts";
import { WISHES } from "./wishes.ts";

const top = mkdtempSync(join(tmpdir(), "usbferry-open-wishes-"));
after(() => rmSync(top, { recursive: true }));

const codes: string[] = [];
const note = (fields: object): void => void codes.push((fields as { code: string }).code);
const log = { info: note, warn: note };

test("where nothing can be kept that nobody asked for, it is told, and wishes end with the agent", async () => {
  const file = join(top, "file");
  writeFileSync(file, "");
  const folder = new StateFolder(join(file, "folder"));
  await assert.rejects(openWishes(folder, log), /cannot be kept/);
  assert.deepEqual(codes, []);
  const { wishes, close } = await openWishes(Object.assign(folder, { isChosen: false }), log);
  assert.deepEqual(codes, ["STATE_NOT_KEPT"]);
  await wishes.add({ address: "tcp:127.0.0.1:3240" });
  assert.deepEqual(wishes.list(), [{ address: "tcp:127.0.0.1:3240" }]);
  await close();
});

test("without an agent wishes are forgotten, but not those that another process keeps", async () => {
  const folder = new StateFolder(join(top, "kept"));
  await forgetWishes(folder);
  const { wishes, close } = await openWishes(folder, log);
  await wishes.add({ address: "unix:/run/a" });
  await assert.rejects(forgetWishes(folder), new RegExp(`process id ${process.pid} runs and keeps`));
  await close();
  await forgetWishes(folder);
  assert.deepEqual((await folder.read(WISHES)).wishes, []);
});
