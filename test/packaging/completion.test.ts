import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { outlineOf } from "../../src/cli/command-outline.ts";
import { completions } from "../../src/cli/completion.ts";
import { program } from "../../src/cli/program.ts";
import { usbferry } from "../support/usbferry.ts";

const outline = outlineOf(await program([]));
const { bash, zsh, fish } = completions(outline);

/** What bash would offer behind these words. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${bash}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _usbferry; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, "bash", ...words], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((line) => line !== "");
}

test("bash is offered commands, those below them, options and their values", () => {
  assert.deepEqual(offered("usbferry", "se"), ["serve", "service"]);
  assert.deepEqual(offered("usbferry", "policy", ""), ["add", "list", "remove", "move"]);
  assert.deepEqual(offered("usbferry", "serve", "--gad"), ["--gadget"]);
  assert.deepEqual(offered("usbferry", "serve", "--gadget", "ke"), ["keyboard"]);
  assert.deepEqual(offered("usbferry", "serve", "--data-plane", ""), ["worker", "main"]);
  assert.deepEqual(offered("usbferry", "serve", "--config", "/etc/host"), offeredFiles("/etc/host"));
  assert.deepEqual(offered("usbferry", "service", "install", "a"), ["agent"]);
  assert.deepEqual(offered("usbferry", "completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(offered("usbferry", "kick", "x"), []);
});

function offeredFiles(prefix: string): readonly string[] {
  const { stdout } = spawnSync("bash", ["-c", 'compgen -f -- "$1"', "bash", prefix], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}

test("every command and every option is in each completion", () => {
  for (const command of outline.commands) {
    const name = command.path.at(-1)!;
    assert(bash.includes(`" ${name}") path=" ${name}"`), name);
    assert(zsh.includes(`_usbferry_${name}()`), name);
    assert(fish.includes(` -a ${name} -d `), name);
    for (const option of command.options.flatMap(({ flags }) =>
      flags.filter((flag) => flag.startsWith("--")),
    )) {
      assert(zsh.includes(`'*${option}[`) && fish.includes(` -l ${option.slice(2)}`), option);
      assert(offered("usbferry", name, option).includes(option), `${name} ${option}`);
    }
  }
});

test("the command prints them, and names the shells it knows", () => {
  assert.equal(usbferry(["completion", "bash"]).stdout, bash);
  const wrong = usbferry(["completion", "tcsh"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Allowed choices are bash, zsh, fish/);
});
