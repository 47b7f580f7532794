import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failed } from "../failure.ts";
import { RULES, RuleBook } from "../rules/rule-book.ts";
import { deviceNamed } from "./device-name.ts";
import { NICKNAMES, Nicknames } from "./nicknames.ts";
import { StateFolder, StateHeld } from "./state-folder.ts";
import { WISHES, WishList } from "./wishes.ts";

const top = mkdtempSync(join(tmpdir(), "usbferry-state-"));
after(() => rmSync(top, { recursive: true }));
let folders = 0;
const folder = (): StateFolder => new StateFolder(join(top, `${folders++}`, "deep"));

/** A folder whose rules are this text. */
function withRules(text: string): { folder: StateFolder; path: string } {
  const state = folder();
  mkdirSync(state.path, { recursive: true });
  const path = state.fileOf(RULES);
  writeFileSync(path, text);
  return { folder: state, path };
}

test("a change is there after a restart, in a file that a person can read and nobody else may", async () => {
  const state = folder();
  const first = await state.open(RULES);
  await new RuleBook(first.store).add("allow class=keyboard");
  await first.close();
  const path = state.fileOf(RULES);
  assert.equal(
    readFileSync(path, "utf8"),
    '{\n  "version": 1,\n  "next": 2,\n  "rules": [\n    {\n      "id": "r1",\n      "rule": "allow class=keyboard"\n    }\n  ]\n}\n',
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(state.path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(state.path).toSorted(), ["rules.json", "rules.lock"]);
  const second = await state.open(RULES);
  assert.deepEqual(await new RuleBook(second.store).list(), [
    { id: "r1", rule: "allow class=keyboard", source: "state" },
  ]);
  await second.close();
});

test("a change that is refused leaves its neighbours alone", async () => {
  const { store, close } = await folder().open(RULES);
  const book = new RuleBook(store);
  const results = await Promise.allSettled([book.add("allow"), book.remove("r9"), book.add("deny")]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(
    (await book.list()).map(({ id, rule }) => `${id} ${rule}`),
    ["r1 allow", "r2 deny"],
  );
  await assert.rejects(
    store.change(() => {
      throw new Error("alone");
    }),
    /alone/,
  );
  assert.equal((await book.add("deny")).id, "r3");
  await close();
});

test("one process at a time may change a state, and it is named", async () => {
  const state = folder();
  const { close } = await state.open(RULES);
  await assert.rejects(
    state.open(RULES),
    (error) =>
      error instanceof StateHeld &&
      error.heldBy === process.pid &&
      error.message.includes(`process id ${process.pid}`),
  );
  const other = await state.open(WISHES);
  await other.close();
  await close();
  await (await state.open(RULES)).close();
});

test("what an interrupted change left is removed", async () => {
  const { folder: state, path } = withRules('{"version":1,"next":1,"rules":[]}');
  writeFileSync(`${path}.new`, '{"version":1,"ne');
  const { store, close } = await state.open(RULES);
  assert.deepEqual(readdirSync(state.path).toSorted(), ["rules.json", "rules.lock"]);
  await new RuleBook(store).add("deny");
  await close();
});

const damaged: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /line 1: expected a document with version, next and rules, found nothing/],
  ['{"version":1,\n"next":1,\n"rules":[', /line 3: /],
  ["\0".repeat(9), /line 1: Unresolved plain scalar/],
  [
    '{"version":1,\n"next":0,\n"rules":[]}',
    /line 2, key "next": expected the number of the next id, found 0/,
  ],
  ['{"version":1,"next":1}', /line 1, key "rules": it is missing/],
  [
    '{"version":1,"next":1,"rules":[],\n"more":1}',
    /line 2, key "more": there is no such key; the keys here are version, next, rules/,
  ],
  [
    '{"version":1,"next":2,"rules":[\n{"id":"r1",\n"rule":"permit"}]}',
    /line 3, key "rules\[0\]\.rule": "permit" is no action: a rule begins with allow/,
  ],
  [
    '{"version":1,"next":2,"rules":[{"id":"r1","rule":"deny"},\n{"id":"r1","rule":"allow"}]}',
    /line 2, key "rules\[1\]\.id": the id r1 is there twice/,
  ],
  ['{"version":2,"next":1,"rules":[]}', /key "version": the file is of version 2, and .* reads version 1/],
];

for (const [text, message] of damaged) {
  test(`${JSON.stringify(text.slice(0, 60))} is refused by file and line, and left as it is`, async () => {
    const { folder: state, path } = withRules(text);
    for (const read of [() => state.open(RULES), () => state.read(RULES)]) {
      await assert.rejects(read, (error) => {
        assert(error instanceof Failed);
        assert(error.message.startsWith(path), error.message);
        assert.match(error.message, message);
        assert.match(error.message, /move the file away to begin anew; until then it is left as it is\.$/);
        return true;
      });
    }
    assert.equal(readFileSync(path, "utf8"), text);
  });
}

test("a folder that cannot be made is told with a way out", async () => {
  const file = join(top, "file");
  writeFileSync(file, "");
  await assert.rejects(
    new StateFolder(join(file, "folder")).open(RULES),
    /cannot be kept in .*file\/folder: .*ENOTDIR.*--state-dir/s,
  );
});

test("the folder is the chosen one, that of USBFERRY_STATE, or that of the system or the user", () => {
  const before = { ...process.env };
  try {
    Object.assign(process.env, { USBFERRY_STATE: "/named" });
    assert.equal(new StateFolder("/chosen").path, "/chosen");
    assert.equal(new StateFolder().path, "/named");
    Object.assign(process.env, { USBFERRY_STATE: "", XDG_STATE_HOME: "/home/me/state" });
    const own = process.getuid?.() === 0 ? "/var/lib/usbferry" : "/home/me/state/usbferry";
    assert.equal(new StateFolder().path, own);
  } finally {
    process.env = before;
  }
});

test("wishes are kept one for an address, the last one", async () => {
  const state = folder();
  const { store, close } = await state.open(WISHES);
  const wishes = new WishList(store);
  await wishes.add({ address: "tcp:127.0.0.1:3240", device: "1-2" });
  await wishes.add({ address: "unix:/run/a" });
  await wishes.add({ address: "tcp:127.0.0.1:3240", device: "1-3" });
  const both = [{ address: "unix:/run/a" }, { address: "tcp:127.0.0.1:3240", device: "1-3" }];
  assert.deepEqual((await state.read(WISHES)).wishes, both);
  await wishes.remove("unix:/run/a");
  assert.deepEqual((await state.read(WISHES)).wishes, both.slice(1));
  await wishes.clear();
  assert.deepEqual((await state.read(WISHES)).wishes, []);
  await close();
  const path = state.fileOf(WISHES);
  writeFileSync(path, '{"version":1,"wishes":[{"address":"tcp:1"},\n{"address":"tcp:1","device":"1-2"}]}');
  await assert.rejects(
    state.read(WISHES),
    /line 2, key "wishes\[1\]\.address": the address tcp:1 is there twice/,
  );
});

test("nicknames are words that are no bus id, and nothing of the language is one", async () => {
  const state = folder();
  const { store, close } = await state.open(NICKNAMES);
  const names = new Nicknames(store);
  await names.set("scanner", "04b8:0123");
  await names.set("constructor", "1-2");
  for (const wrong of ["1-2", "", "a-b", "0525:a4a0", "/dev/bus/usb/001/002", "__proto__", "x".repeat(32)]) {
    await assert.rejects(names.set(wrong, "1-2"), /is no nickname.*bus id/, wrong);
  }
  const meant = ["scanner", "constructor", "toString", "1-2"].map((text) => deviceNamed(text, state));
  assert.deepEqual(await Promise.all(meant), ["04b8:0123", "1-2", "toString", "1-2"]);
  await names.remove("scanner");
  await assert.rejects(names.remove("scanner"), /there is no nickname/);
  await close();
  assert.deepEqual((await state.read(NICKNAMES)).nicknames, { constructor: "1-2" });
});
