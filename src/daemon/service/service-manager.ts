import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { Failed } from "../failure.ts";

/** sd_booted(3) */
const BOOTED = "/run/systemd/system";

const NO_SYSTEMD =
  "this machine does not run systemd. Start `usbferry serve` (or `usbferry agent`) by whatever starts programs here; on " +
  "WSL, write [boot] and systemd=true into /etc/wsl.conf, then in Windows: wsl --shutdown. `usbferry service install --print` " +
  "shows what would be written, `--root FOLDER` writes it for a machine that is not running.";

/** The systemd of this machine. */
export class ServiceManager {
  /** Throws Failed where there is none. */
  static require(): ServiceManager {
    if (!existsSync(BOOTED)) throw new Failed(NO_SYSTEMD);
    return new ServiceManager();
  }

  /** At each boot from now on, and at once. Throws Failed. */
  start(units: readonly string[]): void {
    this.#systemctl("daemon-reload");
    this.#systemctl("enable", ...units);
    // One that runs already runs what was installed before.
    this.#systemctl("restart", ...units);
  }

  /** No more, and not at a boot. Throws Failed. */
  stop(units: readonly string[]): void {
    this.#systemctl("disable", "--now", ...units);
  }

  reload(): void {
    this.#systemctl("daemon-reload");
  }

  #systemctl(...words: readonly string[]): void {
    try {
      execFileSync("systemctl", words, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
    } catch (error) {
      const { stderr = "", message } = error as Error & { readonly stderr?: string };
      const why = stderr.trim() === "" ? message : stderr.trim();
      throw new Failed(`systemctl ${words.join(" ")} failed: ${why} \`journalctl -u usbferry\` tells more.`);
    }
  }
}
