import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KernelName } from "./debian/preparation.ts";
import { Userland } from "./debian/userland.ts";
import { Monitor } from "./monitor.ts";
import { type ControllerName, controllerArguments } from "./usb-controllers.ts";

export interface MachineOptions {
  readonly kernel: KernelName;
  /** Appears in messages and names of temporary folders. Default: the kernel's name. */
  readonly name?: string;
  /** Default 768. */
  readonly memoryMiB?: number;
  /** Default 2. */
  readonly cpus?: number;
  /** Guest memory that another process can map: for vhost-user, and for vfio-user with descriptors. Default false. */
  readonly sharedMemory?: boolean;
  /** USB controllers for devices that are plugged in while the guest runs; see emulated-device.ts. Default none. */
  readonly controllers?: readonly ControllerName[];
  /** Added at the end of QEMU's command line. */
  readonly qemuArguments?: readonly string[];
}

/** What the guest sees, each under its name: 9p shares, which it cannot write to, and a copy of the checkout. */
export interface MachineShares {
  readonly bed: string;
  readonly node: string;
  /** An archive of the checkout, for the guest's first file system. */
  readonly repo: Buffer;
}

const FOLDER_PREFIX = "usbferry-vm-";
const LOG_TAIL = 3000;

/** A QEMU process, its monitor, the host's end of its control port, and its folder of logs and scratch files. */
export class Machine {
  readonly name: string;
  readonly kernel: KernelName;
  readonly folder: string;
  /** The guest's /scratch. */
  readonly scratch: string;
  /** Resolves with a sentence about how QEMU ended. */
  readonly ended: Promise<string>;
  readonly control: Socket;
  readonly monitor: Monitor;
  readonly #qemu: ChildProcess;

  private constructor(
    { name, kernel }: { readonly name: string; readonly kernel: KernelName },
    folder: string,
    qemu: ChildProcess,
    control: Socket,
    monitor: Monitor,
  ) {
    this.name = name;
    this.kernel = kernel;
    this.folder = folder;
    this.scratch = join(folder, "scratch");
    this.control = control;
    this.monitor = monitor;
    this.#qemu = qemu;
    this.ended = ending(qemu);
  }

  static async start(options: MachineOptions, shares: MachineShares): Promise<Machine> {
    const name = options.name ?? `linux-${options.kernel}`;
    await removeFoldersOfDeadRunners();
    const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
    await mkdir(join(folder, "scratch"));
    const connected = await Promise.all(["control", "monitor"].map((port) => caller(join(folder, port))));
    const initramfs = await readFile(join(shares.bed, `linux-${options.kernel}`, "initramfs"));
    await writeFile(join(folder, "initramfs"), Buffer.concat([initramfs, shares.repo]));
    const log = await open(join(folder, "qemu.log"), "w");
    const userland = new Userland(join(shares.bed, "debian"));
    const [command, ...rest] = qemuCommand(options, shares, folder, userland);
    const qemu = spawn(command!, rest, {
      stdio: ["ignore", log.fd, log.fd],
      env: { ...process.env, QEMU_MODULE_DIR: join(userland.libraries, "qemu") },
    });
    await log.close();
    const sockets = await Promise.race([Promise.all(connected.map(({ socket }) => socket)), ending(qemu)]);
    for (const { close } of connected) close();
    if (typeof sockets === "string") {
      const complaint = tail(join(folder, "qemu.log"));
      await rm(folder, { recursive: true });
      throw new Error(`${name} did not start: ${sockets}\n${complaint}`);
    }
    const [control, monitor] = sockets;
    const { kernel } = options;
    return new Machine({ name, kernel }, folder, qemu, control!, await Monitor.over(monitor!));
  }

  get processId(): number {
    return this.#qemu.pid!;
  }

  /** The end of what the guest printed on its console and QEMU on its standard error, for a message. */
  logTail(): string {
    return ["console.log", "qemu.log"]
      .map((name) => `--- end of ${name} of ${this.name}\n${tail(join(this.folder, name))}`)
      .join("\n");
  }

  /** Pulls the plug, and removes the folder. */
  async stop(): Promise<void> {
    this.#qemu.kill("SIGKILL");
    await this.ended;
    this.control.destroy();
    this.monitor.close();
    await rm(this.folder, { recursive: true });
  }
}

// quiet: the emulated serial port is slow, and the kernel's log reaches us through the agent. panic=-1 with -no-reboot:
// a panic ends QEMU. tsc, no_timer_check: probing them takes long under emulation.
const KERNEL_ARGUMENTS =
  "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on tsc=reliable no_timer_check " +
  "printk.devkmsg=on log_buf_len=1M";

function qemuCommand(
  options: MachineOptions,
  shares: MachineShares,
  folder: string,
  userland: Userland,
): string[] {
  const linux = join(shares.bed, `linux-${options.kernel}`);
  const memory = options.memoryMiB ?? 768;
  const own = [
    ["-L", join(userland.root, "usr/share/qemu"), "-L", join(userland.root, "usr/share/seabios")],
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-run-with", "exit-with-parent=on"], // however the test run dies, the machine goes with it
    ["-M", "q35", "-accel", "tcg,thread=multi"],
    // The fastest of the models tried, without what the emulation lacks.
    ["-cpu", "Haswell-v4,-pcid,-tsc-deadline,-invpcid,-spec-ctrl"],
    ["-smp", String(options.cpus ?? 2), "-m", `${memory}M`],
    ["-kernel", join(linux, "vmlinux"), "-initrd", join(folder, "initramfs"), "-append", KERNEL_ARGUMENTS],
    ["-serial", `file:${join(folder, "console.log")}`],
    ["-chardev", `socket,id=monitor,path=${join(folder, "monitor")}`],
    ["-object", "monitor-qmp,id=qmp,chardev=monitor"],
    controllerArguments(options.controllers ?? [], folder),
    ["-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile="],
    ["-device", "virtio-serial-pci", "-chardev", `socket,id=control,path=${join(folder, "control")}`],
    ["-device", "virtserialport,chardev=control,name=usbferry.control"],
    share("bed", shares.bed, "readonly=on"),
    share("node", shares.node, "readonly=on"),
    share("scratch", join(folder, "scratch"), "readonly=off"),
  ];
  if (options.sharedMemory)
    own.push([
      "-object",
      `memory-backend-memfd,id=memory,size=${memory}M,share=on`,
      "-machine",
      "memory-backend=memory",
    ]);
  const program = userland.program("usr/bin/qemu-system-x86_64");
  return [...program, ...own.flat(), ...(options.qemuArguments ?? [])];
}

/** multidevs: a checkout may have other file systems mounted inside. */
function share(name: string, path: string, access: string): string[] {
  const where = `path=${path.replaceAll(",", ",,")},security_model=none,multidevs=remap,${access}`;
  return ["-fsdev", `local,id=${name},${where}`, "-device", `virtio-9p-pci,fsdev=${name},mount_tag=${name}`];
}

/** Waits for QEMU to connect to a unix socket of ours. */
async function caller(
  path: string,
): Promise<{ readonly socket: Promise<Socket>; readonly close: () => void }> {
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const socket = once(server, "connection").then(([connection]) => connection as Socket);
  return { socket, close: () => server.close() };
}

/** A test run that is killed cannot remove its folders: the next one does. */
async function removeFoldersOfDeadRunners(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(FOLDER_PREFIX)) continue;
    const path = join(tmpdir(), name);
    const runner = Number(name.slice(FOLDER_PREFIX.length).split("-")[0]);
    const ours = (await stat(path).catch(() => undefined))?.uid === process.getuid?.();
    if (ours && !existsSync(`/proc/${runner}`)) await rm(path, { recursive: true, force: true });
  }
}

function ending(qemu: ChildProcess): Promise<string> {
  if (qemu.exitCode !== null || qemu.signalCode !== null) return Promise.resolve("QEMU has ended.");
  return new Promise((resolve) => {
    qemu.once("error", (error) => resolve(`QEMU could not be started: ${error.message}.`));
    qemu.once("exit", (code, signal) => resolve(`QEMU ended with ${signal ?? `code ${code}`}.`));
  });
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").slice(-LOG_TAIL).trim() || "(empty)" : "(missing)";
}
