import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Archive } from "./debian/archive.ts";
import { withLock } from "./debian/lock.ts";
import { cacheFolder, type Progress, TestBedUnavailable } from "./debian/preparation.ts";
import { ProgramFailure } from "./debian/program.ts";
import { machineMirrors } from "./debian/source-list.ts";
import { Userland } from "./debian/userland.ts";

const PACKAGE = { names: ["vhost-device-vsock"], dependencies: true };

/**
 * Debian's vhost-device-vsock, unpacked with its own libraries: it is in unstable alone. Rejects with TestBedUnavailable
 * where it cannot be had.
 */
export async function prepareVsockBackend(progress: Progress): Promise<Userland> {
  const cache = cacheFolder();
  const folder = join(cache, "vhost-device-vsock");
  const waiting = (): void => progress("waiting for another preparation of the vsock backend");
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, "vsock.lock"), waiting, async () => {
    if (existsSync(folder)) return;
    progress("fetching vhost-device-vsock from Debian's packages, about 5 MB");
    try {
      await make(cache, folder);
    } catch (error) {
      if (!(error instanceof ProgramFailure)) throw error;
      throw new TestBedUnavailable(
        `vhost-device-vsock could not be fetched (${error.message}), so check the network and try again.`,
      );
    }
  });
  return new Userland(folder);
}

async function make(cache: string, folder: string): Promise<void> {
  const archive = new Archive(join(cache, "archive/sid"), ["sid"], "any");
  const [mirror] = machineMirrors();
  if (mirror === undefined) {
    throw new TestBedUnavailable("No apt source of this machine is signed by the Debian archive key.");
  }
  await archive.update(mirror);
  const files = await archive.resolve(PACKAGE);
  await archive.fetch(PACKAGE, files);
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  await new Userland(unfinished).unpack(files);
  await rename(unfinished, folder);
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
