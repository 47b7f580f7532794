import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "./debian/preparation.ts";
import { unpackedProgram, type WantedProgram } from "./debian/unpacked-program.ts";
import type { Userland } from "./debian/userland.ts";

/** It is in unstable alone. */
const BACKEND: WantedProgram = {
  words: "vhost-device-vsock",
  size: "5 MB",
  folder: "vhost-device-vsock",
  name: "vsock",
  suite: "sid",
  age: "any",
  request: { names: ["vhost-device-vsock"], dependencies: true },
};

/** Debian's vhost-device-vsock, unpacked with its own libraries. Rejects with TestBedUnavailable where it cannot be had. */
export function prepareVsockBackend(progress: Progress): Promise<Userland> {
  return unpackedProgram(BACKEND, progress);
}

/** Carries the vsock of one guest, as Firecracker does for its guests, by unix sockets of this machine. */
export class VsockBackend {
  /** Where the guest is dialled; `PATH_PORT` is where it dials. */
  readonly path: string;
  readonly #userland: Userland;
  readonly #folder: string;
  readonly #cid: number;
  #process: ChildProcess | undefined;

  private constructor(userland: Userland, folder: string, cid: number) {
    this.#userland = userland;
    this.#folder = folder;
    this.#cid = cid;
    this.path = join(folder, "vm.vsock");
  }

  /** For a guest of this context id, to be booted with `qemuArguments` and shared memory. */
  static async start(userland: Userland, cid: number): Promise<VsockBackend> {
    const backend = new VsockBackend(userland, await mkdtemp(join(tmpdir(), "usbferry-vsock-")), cid);
    await backend.run();
    return backend;
  }

  get qemuArguments(): readonly string[] {
    const socket = `socket,id=vsock,path=${this.#device}`;
    return ["-chardev", socket, "-device", "vhost-user-vsock-pci,chardev=vsock"];
  }

  get #device(): string {
    return join(this.#folder, "device");
  }

  async run(): Promise<void> {
    const vm = `guest-cid=${this.#cid},socket=${this.#device},uds-path=${this.path}`;
    const [loader = "", ...program] = this.#userland.program("usr/bin/vhost-device-vsock");
    await rm(this.path, { force: true });
    await rm(this.#device, { force: true });
    this.#process = spawn(loader, [...program, "--vm", vm], { stdio: "ignore" });
    const endMs = performance.now() + 10_000;
    while (!existsSync(this.#device) || !existsSync(this.path)) {
      if (performance.now() > endMs) throw new Error("vhost-device-vsock did not listen within 10 s.");
      await sleep(20);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async stop(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
