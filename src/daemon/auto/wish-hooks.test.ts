import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HOOK_LIMITS } from "./hook-run.ts";
import { type HookFacts, WishHooks } from "./wish-hooks.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-hooks-"));
after(() => rmSync(folder, { recursive: true }));

const FACTS: HookFacts = {
  wish: "w1",
  host: "tcp:192.0.2.7:3240",
  busid: "1-2",
  vid: "0525",
  pid: "a4a7",
  serial: "S 7",
  port: 3,
  node: "/dev/bus/usb/001/002",
  nodes: ["/dev/ttyACM0", "/dev/ttyACM1"],
};

function hooksWith(limits: Partial<typeof HOOK_LIMITS> = {}) {
  const lines: string[] = [];
  const note = (_: object, line: string): void => void lines.push(line);
  return { lines, hooks: new WishHooks({ info: note, warn: note }, { ...HOOK_LIMITS, ...limits }) };
}

const sh = (script: string): string[] => ["/bin/sh", "-c", script];
const facts = async (): Promise<HookFacts> => FACTS;

test("a command has the identity of its device in its environment", async () => {
  const { hooks, lines } = hooksWith();
  const file = join(folder, "environment");
  hooks.run("attach", sh(`env | grep ^USBFERRY_ | sort > ${file}; pwd >> ${file}`), facts);
  await hooks.settled;
  assert.deepEqual(readFileSync(file, "utf8").split("\n"), [
    "USBFERRY_BUSID=1-2",
    "USBFERRY_DEVNODE=/dev/bus/usb/001/002",
    "USBFERRY_DEVNODES=/dev/ttyACM0 /dev/ttyACM1",
    "USBFERRY_EVENT=attach",
    "USBFERRY_HOST=tcp:192.0.2.7:3240",
    "USBFERRY_PID=a4a7",
    "USBFERRY_PORT=3",
    "USBFERRY_SERIAL=S 7",
    "USBFERRY_VID=0525",
    "USBFERRY_WISH=w1",
    "/",
    "",
  ]);
  assert.deepEqual(lines, ["HOOK_RAN /bin/sh on attach of 1-2"]);
});

test("arguments reach the program as they are: no shell reads them", async () => {
  const { hooks, lines } = hooksWith();
  hooks.run("detach", ["/bin/echo", "$HOME; rm -rf *", "b"], facts);
  await hooks.settled;
  assert.deepEqual(lines, [
    "HOOK_OUTPUT /bin/echo: $HOME; rm -rf * b",
    "HOOK_RAN /bin/echo on detach of 1-2",
  ]);
});

test("commands of one wish run one after the other, and each is told what was at its turn", async () => {
  const { hooks, lines } = hooksWith();
  let busid = "1-2";
  const own = async (): Promise<HookFacts> => ({ ...FACTS, busid });
  hooks.run("attach", sh("sleep 0.2; echo one"), own);
  hooks.run("detach", sh("echo two"), own);
  busid = "1-3";
  await hooks.settled;
  assert.deepEqual(lines, [
    "HOOK_OUTPUT /bin/sh: one",
    "HOOK_RAN /bin/sh on attach of 1-3",
    "HOOK_OUTPUT /bin/sh: two",
    "HOOK_RAN /bin/sh on detach of 1-3",
  ]);
});

test("a command that fails is told with why and what to do, and the next one runs", async () => {
  const { hooks, lines } = hooksWith();
  hooks.run("attach", ["/nonexistent/flash", "--fast"], facts);
  hooks.run("attach", sh("exit 7"), facts);
  hooks.run("attach", sh("kill -9 $$"), facts);
  await hooks.settled;
  assert.match(
    lines[0]!,
    /^HOOK_FAILED \/nonexistent\/flash --fast on attach of 1-2: .*ENOENT.*Run the command by hand/,
  );
  assert.match(lines[1]!, /it ended with 7/);
  assert.match(lines[2]!, /it was ended by SIGKILL/);
});

test("a command that does not end is ended, with what it has started", async () => {
  const { hooks, lines } = hooksWith({ timeoutMs: 200, killMs: 300 });
  const alive = join(folder, "alive");
  hooks.run("attach", sh(`trap '' TERM; (trap '' TERM; sleep 1; touch ${alive}) & wait; sleep 5`), facts);
  await hooks.settled;
  assert.match(lines.at(-1)!, /HOOK_FAILED .*it was still running after 0\.2 s, and was ended/);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.equal(existsSync(alive), false);
});

test("a command that ends and leaves something behind with its output does not hold up the next", async () => {
  const { hooks, lines } = hooksWith();
  hooks.run("attach", sh("sleep 5 & echo done"), facts);
  hooks.run("detach", ["/bin/true"], facts);
  const startMs = performance.now();
  await hooks.settled;
  assert(performance.now() - startMs < 4_000, "the time limit of this promise is half a second");
  assert.deepEqual(lines, [
    "HOOK_OUTPUT /bin/sh: done",
    "HOOK_RAN /bin/sh on attach of 1-2",
    "HOOK_RAN /bin/true on detach of 1-2",
  ]);
});

test("what a command prints is cut to what a log takes, and speaks to no terminal", async () => {
  const { hooks, lines } = hooksWith({ lines: 3, lineCharacters: 10 });
  hooks.run("attach", sh("printf 'a\\033[2Jb\\n12345678901234567890\\n3\\n4\\n5\\n6'"), facts);
  await hooks.settled;
  assert.deepEqual(lines, [
    "HOOK_OUTPUT /bin/sh: a?[2Jb",
    "HOOK_OUTPUT /bin/sh: 1234567890",
    "HOOK_OUTPUT /bin/sh: 3",
    "HOOK_OUTPUT /bin/sh: (it printed more than 3 lines)",
    "HOOK_RAN /bin/sh on attach of 1-2",
  ]);
  hooks.run("attach", sh("yes | head -c 300000; head -c 3000000 /dev/zero"), facts);
  await hooks.settled;
  assert.equal(lines.length, 10);
});

test("a device that comes and goes all the time makes no more runs than can wait", async () => {
  const { hooks, lines } = hooksWith();
  for (let i = 0; i < 20; i++) hooks.run("attach", ["/bin/true"], facts);
  await hooks.settled;
  assert.equal(lines.filter((line) => line.startsWith("HOOK_RAN")).length, 16);
  assert.equal(lines.filter((line) => line.startsWith("HOOK_SKIPPED")).length, 4);
  hooks.run("attach", ["/bin/true"], facts);
  await hooks.settled;
  assert.equal(lines.length, 21);
});
