import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEBUG_PORT } from "./boot-sector.ts";
import { cacheFolder, type Progress, prepareBed } from "./debian/preparation.ts";
import { Userland } from "./debian/userland.ts";

const TIMEOUT_MS = 60_000;

/** A machine without a kernel: its firmware, SeaBIOS, looks for something to boot. */
export interface FirmwareOptions {
  readonly memoryMiB: number;
  readonly qemuArguments: readonly string[];
}

/**
 * Runs such a machine, whose memory is shared, until its debug console has said what is waited for; answers all that it has said.
 * Rejects with that if it does not come.
 */
export async function runFirmware(
  { memoryMiB, qemuArguments }: FirmwareOptions,
  isEnough: (said: Buffer) => boolean,
  progress: Progress = () => {},
): Promise<Buffer> {
  const userland = new Userland(join(await prepareBed(cacheFolder(), progress), "debian"));
  const folder = await mkdtemp(join(tmpdir(), "usbferry-firmware-"));
  const log = openSync(join(folder, "qemu.log"), "w");
  const own = [
    ["-L", join(userland.root, "usr/share/qemu"), "-L", join(userland.root, "usr/share/seabios")],
    ["-nodefaults", "-no-user-config", "-display", "none", "-run-with", "exit-with-parent=on"],
    ["-M", "q35,memory-backend=memory", "-accel", "tcg", "-m", `${memoryMiB}M`],
    ["-object", `memory-backend-memfd,id=memory,size=${memoryMiB}M,share=on`],
    ["-chardev", `file,id=debug,path=${join(folder, "said")}`],
    ["-device", `isa-debugcon,iobase=${DEBUG_PORT},chardev=debug`],
  ];
  const [command, ...rest] = userland.program("usr/bin/qemu-system-x86_64");
  const qemu = spawn(command!, [...rest, ...own.flat(), ...qemuArguments], { stdio: ["ignore", log, log] });
  closeSync(log);
  const exit = once(qemu, "exit");
  const said = (): Buffer => readFileSync(join(folder, "said"), { flag: "a+" });
  try {
    const end = performance.now() + TIMEOUT_MS;
    while (!isEnough(said())) {
      if (performance.now() > end || qemu.exitCode !== null) {
        const printed = readFileSync(join(folder, "qemu.log"), "utf8");
        throw new Error(`the firmware did not get there. It said:\n${said().toString("latin1")}\n${printed}`);
      }
      // oxlint-disable-next-line no-await-in-loop -- looked at again
      await sleep(20);
    }
    return said();
  } finally {
    qemu.kill("SIGKILL");
    await exit;
    await rm(folder, { recursive: true });
  }
}
