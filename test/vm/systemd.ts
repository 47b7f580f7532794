import type { Guest } from "./guest.ts";

/** Of what a start of a whole machine brings: nothing that a service of ours needs, and a lot of time under emulation. */
const MASKED = [
  "systemd-journald.service",
  "systemd-journald.socket",
  "systemd-journald-dev-log.socket",
  "systemd-journal-flush.service",
  "systemd-udevd.service",
  "systemd-udevd-control.socket",
  "systemd-udevd-kernel.socket",
  "systemd-udev-trigger.service",
  "systemd-tmpfiles-setup.service",
  "systemd-tmpfiles-setup-dev.service",
  "systemd-tmpfiles-setup-dev-early.service",
  "systemd-sysctl.service",
  "systemd-sysusers.service",
  "systemd-modules-load.service",
  "systemd-random-seed.service",
  "systemd-machine-id-commit.service",
  "systemd-update-done.service",
  "systemd-update-utmp.service",
  "kmod-static-nodes.service",
  "systemd-ask-password-console.path",
  "systemd-creds.socket",
  "systemd-hostnamed.socket",
  "systemd-hwdb-update.service",
  "systemd-initctl.socket",
  "systemd-journal-catalog-update.service",
  "systemd-sysext.socket",
  "ldconfig.service",
  "local-fs.target",
  "swap.target",
  "timers.target",
  "paths.target",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "proc-sys-fs-binfmt_misc.automount",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
];

const LOG = "/tmp/services.log";
const START_MS = 120_000;

/** A real systemd in a guest: process 1 of a namespace, with the guest's devices and network. */
export class Systemd {
  readonly #guest: Guest;
  readonly #pid: string;

  private constructor(guest: Guest, pid: string) {
    this.#guest = guest;
    this.#pid = pid;
  }

  /** Resolves when it takes orders. */
  static async start(guest: Guest): Promise<Systemd> {
    const masks = MASKED.map((unit) => `ln -s /dev/null /run/systemd/system/${unit}`).join("\n");
    await guest.writeFile(
      "/tmp/systemd-init",
      `mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/lock /sys/fs/cgroup
${masks}
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /run/systemd/system/service.d
printf '[Service]\\nStandardOutput=append:${LOG}\\nStandardError=append:${LOG}\\n' > /run/systemd/system/service.d/log.conf
exec env -i container=guest PATH=$PATH /usr/lib/systemd/systemd --unit=basic.target --show-status=no
`,
    );
    const argv = ["unshare", "-p", "-f", "-m", "--mount-proc=/proc", "sh", "/tmp/systemd-init"];
    await guest.shell(
      `rm -f ${LOG}; : > /etc/machine-id; mkdir -p /var/log; ${argv.join(" ")} </dev/null >/dev/null 2>&1 &`,
    );
    let pid = "";
    const systemd = async (): Promise<boolean> => {
      const { stdout } = await guest.run(["pidof", "systemd"]);
      pid = stdout.trim().split(" ").at(-1)!;
      if (pid === "") return false;
      return (await new Systemd(guest, pid).run("systemctl is-active basic.target")).trim() === "active";
    };
    try {
      await guest.waitFor("systemd to take orders", systemd, START_MS);
    } catch (error) {
      throw new Error(`systemd: ${pid === "" ? "it has ended" : await new Systemd(guest, pid).log()}`, {
        cause: error,
      });
    }
    return new Systemd(guest, pid);
  }

  /** Runs a shell script where systemd is process 1; answers what it printed, whatever it ended with. */
  async run(script: string, timeoutMs = 120_000): Promise<string> {
    const { stdout, stderr } = await this.#guest.run(this.#inside(script), { timeoutMs });
    return stdout + stderr;
  }

  /** Rejects, with what systemd logged, if the script ends with another code than 0. */
  async succeed(script: string, timeoutMs = 120_000): Promise<string> {
    const { code, stdout, stderr } = await this.#guest.run(this.#inside(script), { timeoutMs });
    if (code === 0) return stdout;
    throw new Error(`\`${script}\` ended with ${code}\n${stdout}${stderr}\n${await this.log()}`);
  }

  async property(unit: string, name: string): Promise<string> {
    return (await this.succeed(`systemctl show -p ${name} --value ${unit}`)).trim();
  }

  /** How its units are, and what its services said last. */
  log(): Promise<string> {
    return this.run(`systemctl --no-pager --full status 'usbferry*'; tail -n 60 ${LOG}`);
  }

  async stop(): Promise<void> {
    await this.#guest.shell(
      `kill -9 ${this.#pid}; while kill -0 ${this.#pid} 2>/dev/null; do usleep 20000; done`,
    );
  }

  #inside(script: string): string[] {
    return ["nsenter", "-t", this.#pid, "-m", "-p", "sh", "-c", script];
  }
}
