import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { LoadClient } from "../../bench/load.ts";
import { onLinux } from "../../test/support/poll-loop.ts";
import { ALONE, MAIN, RunningUsbferry, usbferry } from "../../test/support/usbferry.ts";
import { openPty } from "../linux/pty.ts";
import { SystemError } from "../linux/system-error.ts";

/** A host with a gadget, and the environment in which commands find it. */
async function serving(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-top-"));
  const environment = { USBFERRY_CONTROL: join(folder, "serve.sock") };
  const host = new RunningUsbferry(["serve", "--listen", "tcp:0", "--gadget", "zero"], environment);
  context.after(() => {
    host.process.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });
  await host.until("Stop with");
  return { host, environment, port: Number(/tcp:127\.0\.0\.1:(\d+)/.exec(host.stdout)![1]) };
}

/** The command on a terminal of its own. */
class TopOnTerminal {
  readonly path: string;
  readonly process;
  readonly #terminal: ReadStream;
  readonly #closed: Promise<unknown>;
  /** All that it has drawn; `~` is ESC. */
  drawn = "";

  constructor(context: TestContext, environment: Readonly<Record<string, string>>) {
    const pty = openPty();
    assert(!(pty instanceof SystemError));
    this.path = pty.path;
    this.resize(30, 120);
    this.process = spawn(process.execPath, [MAIN, "top"], {
      env: { ...process.env, ...ALONE, TERM: "xterm", ...environment },
      stdio: [pty.programFd, pty.programFd, "inherit"],
    });
    this.#closed = once(this.process, "exit");
    this.#terminal = new ReadStream(pty.fd);
    this.#terminal
      .on("error", () => {})
      .on("data", (bytes: Buffer) => {
        this.drawn += bytes.toString("latin1").replaceAll("\u001b", "~");
      });
    context.after(() => {
      this.process.kill("SIGKILL");
      this.#terminal.destroy();
      closeSync(pty.programFd);
    });
  }

  resize(rows: number, columns: number): void {
    const { status } = spawnSync("stty", ["-F", this.path, "rows", `${rows}`, "cols", `${columns}`]);
    assert.equal(status, 0);
  }

  press(key: string): void {
    this.#terminal.write(key);
  }

  /** What it has drawn since, when that is as it should become. */
  async until(pattern: RegExp): Promise<string> {
    const endMs = performance.now() + 30_000;
    while (!pattern.test(this.drawn)) {
      assert(performance.now() < endMs, JSON.stringify(this.drawn.slice(-2_000)));
      // oxlint-disable-next-line no-await-in-loop -- it draws when it has time
      await sleep(10);
    }
    const { drawn } = this;
    this.drawn = "";
    return drawn;
  }

  async ended(): Promise<number | null> {
    await this.#closed;
    return this.process.exitCode;
  }
}

test(
  "top draws a terminal anew, shows endpoints, follows its size, and leaves it as it was",
  onLinux,
  async (t) => {
    const { environment, port } = await serving(t);
    const top = new TopOnTerminal(t, environment);
    assert.match(await top.until(/No device is in use\./), /^~\[\?1049h~\[\?25l~\[H~\[2musbferry top /);
    const times = { warmMs: 0, measureMs: 30_000, urbs: 0 };
    const ending = new AbortController();
    const load = LoadClient.build().run(
      port,
      { direction: "in", size: 512, depth: 4 },
      times,
      undefined,
      ending.signal,
    );
    t.after(() => ending.abort());
    const stopped = assert.rejects(load, { name: "AbortError" });
    await top.until(/~\[1mWHO +BUSID +URB\/S .*\r\n+s1 +zero +[\d,]+ +\d+\.\d/);
    top.press("e");
    await top.until(/\r\n+ {2}IN 1 +[\d,]+ /);
    top.resize(4, 21);
    top.process.kill("SIGWINCH");
    await top.until(/~\[2musbferry top .{8}~\[0m~\[K\r\n~\[K\r\n[^\n]+\n[^\n]{21}~\[K~\[J/);
    top.press("q");
    assert.equal(await top.ended(), 0);
    assert.match(top.drawn, /~\[\?25h~\[\?1049l$/);
    ending.abort();
    await stopped;
  },
);

test(
  "top has no colours with NO_COLOR, waits for a host that ends, and ends at Ctrl+C",
  onLinux,
  async (t) => {
    const { host, environment } = await serving(t);
    const top = new TopOnTerminal(t, { ...environment, NO_COLOR: "1" });
    const drawn = await top.until(/No device is in use\./);
    assert.doesNotMatch(drawn, /~\[\d*m/);
    await host.end("SIGTERM");
    await top.until(/neither a host .* nor an agent .* runs here/);
    const again = new RunningUsbferry(["serve", "--listen", "tcp:0", "--gadget", "zero"], environment);
    t.after(() => void again.process.kill("SIGKILL"));
    await top.until(/No device is in use\./);
    top.press("\u0003");
    assert.equal(await top.ended(), 0);
  },
);

test("elsewhere top prints once: a table, or a document", async (t) => {
  const { environment } = await serving(t);
  assert.deepEqual(usbferry(["top"], environment), { code: 0, stdout: "No device is in use.\n", stderr: "" });
  const { code, stdout } = usbferry(["top", "--json"], environment);
  const { host, agent } = JSON.parse(stdout) as { host: { devices: object[] }; agent?: object };
  assert.deepEqual([code, host.devices, agent], [0, [], undefined]);
});

test("top says that nothing runs here", () => {
  const { code, stdout, stderr } = usbferry(["top", "--json"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /neither a host .* nor an agent .* runs here.* Start a host with/);
});
