/**
 * Runs in the guest under the runner's own node and does what the runner asks for. Its output is the control port only;
 * the machine goes down when it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, read, readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AgentMessage, LineSplitter, type Order, type Request, type RunResult } from "./messages.ts";

const COMPILED_TREE = resolve(import.meta.dirname, "../../..");

/** More than the longest record of /dev/kmsg: with less, read(2) fails. */
const RECORD_SIZE = 8192;

const processes = new Map<number, ChildProcess>();
const port = openSync(controlPort(), "r+");
const kernelMessages = openSync("/dev/kmsg", "r");
const markers = openSync("/dev/kmsg", "w");
let nextProcess = 1;

function controlPort(): string {
  const ports = "/sys/class/virtio-ports";
  for (const name of readdirSync(ports))
    if (readFileSync(join(ports, name, "name"), "utf8").trim() === "usbferry.control")
      return join("/dev", name);
  throw new Error("The control port is missing.");
}

function send(message: AgentMessage): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(port, bytes, at);
}

/** Reads a device that blocks: each read waits in a thread of node's pool (the init script makes that large). */
function readForever(
  fd: number,
  size: number,
  onBytes: (bytes: Buffer) => void,
  onEnd: (error?: Error) => void,
): void {
  const buffer = Buffer.allocUnsafe(size);
  const next = (): void =>
    read(fd, buffer, 0, size, null, (error, length) => {
      // EPIPE from /dev/kmsg: the oldest records were overwritten before they were read.
      if (error && error.code !== "EPIPE") return onEnd(error);
      if (!error && length === 0) return onEnd();
      if (!error) onBytes(buffer.subarray(0, length));
      next();
    });
  next();
}

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case "run":
      return run(order.argv, order.input, order.timeoutMs);
    case "spawn":
      return spawnInBackground(order.argv);
    case "kill":
      kill(processes.get(order.process), order.signal as NodeJS.Signals);
      return undefined;
    case "read":
      return (await readFile(order.path)).toString("base64");
    case "write":
      await writeFile(order.path, Buffer.from(order.base64, "base64"));
      return undefined;
    case "list":
      return readdir(order.path);
    case "mark":
      writeSync(markers, `${order.text}\n`); // without its end the kernel holds a line back, for more to come
      return undefined;
    case "call": {
      const module = (await import(pathToFileURL(join(COMPILED_TREE, order.module)).href)) as Record<
        string,
        unknown
      >;
      const exported = module[order.name];
      if (typeof exported !== "function")
        throw new Error(`${order.module} exports no function ${order.name}.`);
      return exported(...order.args) as unknown;
    }
  }
}

function run(argv: readonly string[], input: string, timeoutMs: number): Promise<RunResult> {
  return new Promise((done, fail) => {
    const child = start(argv, "pipe");
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    child.stdout!.on("data", (bytes: Buffer) => output.stdout.push(bytes));
    child.stderr!.on("data", (bytes: Buffer) => output.stderr.push(bytes));
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      kill(child, "SIGKILL");
      // A process in an uninterruptible wait does not die: answer with what there is.
      setTimeout(() => finish(null, "SIGKILL"), 1000).unref();
    }, timeoutMs);
    const finish = (code: number | null, signal: string | null): void => {
      clearTimeout(timer);
      const stdout = Buffer.concat(output.stdout).toString("utf8");
      done({ code, signal, stdout, stderr: Buffer.concat(output.stderr).toString("utf8"), timedOut });
    };
    child.on("error", (error) => {
      clearTimeout(timer);
      fail(error);
    });
    child.on("close", finish);
    child.stdin!.on("error", () => {}); // a program need not read its input
    child.stdin!.end(input);
  });
}

async function spawnInBackground(argv: readonly string[]): Promise<number> {
  const child = start(argv, "ignore");
  await new Promise<void>((done, fail) => child.once("spawn", done).once("error", fail));
  const process = nextProcess++;
  processes.set(process, child);
  for (const source of ["stdout", "stderr"] as const) {
    const lines = new LineSplitter((text) => send({ message: "line", process, source, text }));
    child[source]!.on("data", (bytes: Buffer) => lines.push(bytes));
  }
  child.on("close", (code, signal) => {
    processes.delete(process);
    send({ message: "exit", process, code, signal });
  });
  return process;
}

/** Starts a program in a process group of its own, so that its children can be killed with it. */
function start(argv: readonly string[], stdin: "pipe" | "ignore"): ChildProcess {
  const [command, ...rest] = argv;
  return spawn(command!, rest, { stdio: [stdin, "pipe", "pipe"], detached: true, cwd: "/scratch" });
}

function kill(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It ended by itself a moment ago.
  }
}

function accept(line: string): void {
  const request = JSON.parse(line) as Request;
  obey(request).then(
    (value) => send({ message: "answer", id: request.id, value }),
    (error: unknown) => send({ message: "refusal", id: request.id, error: String(error) }),
  );
}

/** The kernel's log until now, in one message: read one by one in threads its 400 records would take a second. */
function sendBootLog(): void {
  const marker = "usbferry: agent";
  writeSync(markers, `${marker}\n`);
  const buffer = Buffer.allocUnsafe(RECORD_SIZE);
  const records: string[] = [];
  do records.push(buffer.toString("utf8", 0, readSync(kernelMessages, buffer)));
  while (!records.at(-1)!.includes(marker));
  send({ message: "kernel", records });
}

sendBootLog();
const requests = new LineSplitter(accept);
readForever(
  port,
  1 << 16,
  (bytes) => requests.push(bytes),
  () => process.exit(0), // the runner is gone
);
readForever(
  kernelMessages,
  RECORD_SIZE,
  (bytes) => send({ message: "kernel", records: [bytes.toString("utf8")] }),
  (error) => send({ message: "kernel", records: [`3,0,0,-;usbferry: /dev/kmsg ended: ${String(error)}`] }),
);
send({ message: "ready", release: release(), node: process.version });
