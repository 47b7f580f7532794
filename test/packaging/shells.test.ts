import assert from "node:assert/strict";
import { before, test } from "node:test";
import { outlineOf } from "../../src/cli/command-outline.ts";
import { completions } from "../../src/cli/completion.ts";
import { program } from "../../src/cli/program.ts";
import { DebianShell } from "./debian-shell.ts";

const scripts = completions(outlineOf(await program([])));

for (const name of ["zsh", "fish"] as const) {
  let shell: DebianShell;
  before(async () => {
    shell = await DebianShell.prepare(name);
  });
  const offered = (line: string): readonly string[] => shell.offered(scripts[name], line).toSorted();

  test(`a real ${name} is offered commands, those below them, options and their values`, () => {
    assert.deepEqual(offered("usbferry se"), ["serve", "service"]);
    assert.deepEqual(offered("usbferry policy "), ["add", "list", "move", "remove"]);
    assert.deepEqual(offered("usbferry serve --gad"), ["--gadget"]);
    assert.deepEqual(offered("usbferry serve --gadget ke"), ["keyboard"]);
    assert.deepEqual(offered("usbferry serve --data-plane "), ["main", "worker"]);
    assert.deepEqual(offered("usbferry service install a"), ["agent"]);
    assert.deepEqual(offered("usbferry completion "), ["bash", "fish", "zsh"]);
    assert.deepEqual(offered("usbferry kick x"), []);
  });
}
