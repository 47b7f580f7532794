import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Outcome, usbferry } from "../../test/support/usbferry.ts";

function newFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-nickname-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function done(stdout: string): Outcome {
  return { code: 0, stdout, stderr: "" };
}

test("nicknames are set, listed and removed", (context) => {
  const folder = newFolder(context);
  const run = (line: string): Outcome => usbferry([...line.split(" "), "--state-dir", folder]);
  assert.deepEqual(run("nickname list"), done("There are no nicknames.\n"));
  assert.deepEqual(run("nickname set scanner 04b8:0123"), done("scanner is 04b8:0123.\n"));
  assert.deepEqual(run("nickname set Key 1-2"), done("Key is 1-2.\n"));
  assert.deepEqual(run("nickname set scanner 04b8:0123:A1"), done("scanner is 04b8:0123:A1.\n"));
  assert.deepEqual(run("nickname list"), done("NAME     DEVICE\nKey      1-2\nscanner  04b8:0123:A1\n"));
  assert.deepEqual(JSON.parse(run("nickname list --json").stdout), {
    nicknames: [
      { name: "Key", device: "1-2" },
      { name: "scanner", device: "04b8:0123:A1" },
    ],
  });
  assert.deepEqual(run("nickname remove Key"), done("Key is no nickname any more.\n"));
  assert.deepEqual(run("nickname remove Key"), {
    code: 1,
    stdout: "",
    stderr: 'usbferry: error: there is no nickname "Key": `usbferry nickname list` shows them.\n',
  });
});

test("attach asks for what the name stands for", (context) => {
  const folder = newFolder(context);
  const path = join(folder, "nicknames.json");
  // What `nickname set` refuses, so that the command says that it has read it before it looks for a kernel.
  writeFileSync(path, '{"version":1,"nicknames":{"scanner":"0525:a4a0:","toString":"/x"}}');
  for (const line of [
    "attach tcp:9 scanner",
    "attach tcp:9 scanner --direct",
    "attach --listen tcp:0 scanner",
  ]) {
    const { code, stderr } = usbferry(line.split(" "), { USBFERRY_STATE: folder });
    assert.equal(code, 2, line);
    assert.match(stderr, /"0525:a4a0:": a serial number has 1 to 126 characters/, line);
  }
  const { stderr } = usbferry(["attach", "tcp:9", "toString"], { USBFERRY_STATE: folder });
  assert.match(stderr, /"\/x" is a file of this machine/);
  writeFileSync(path, "{");
  assert.match(
    usbferry(["attach", "tcp:9", "scanner"], { USBFERRY_STATE: folder }).stderr,
    /nicknames\.json, line 1/,
  );
  // What can be no nickname is not looked up.
  const { stderr: other } = usbferry(["attach", "tcp:9", "0525:a4a0:"], { USBFERRY_STATE: folder });
  assert.match(other, /a serial number has/);
});
