import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireMachine } from "../vm/debian/preparation.ts";
import { unpackedProgram, type WantedProgram } from "../vm/debian/unpacked-program.ts";
import type { Userland } from "../vm/debian/userland.ts";

const WANTED: Readonly<Record<"zsh" | "fish", WantedProgram>> = {
  zsh: {
    words: "zsh",
    size: "10 MB",
    folder: "zsh",
    name: "zsh",
    suite: "trixie",
    request: { names: ["zsh"], dependencies: true },
    forgetsPackages: true,
  },
  fish: {
    words: "fish",
    size: "15 MB",
    folder: "fish",
    name: "fish",
    suite: "trixie",
    // Of what it needs: its documents and a browser for them are not.
    request: {
      names: ["fish", "fish-common", "libc6", "libgcc-s1", "libpcre2-32-0", "libtinfo6"],
      dependencies: false,
    },
    forgetsPackages: true,
  },
};

const { PATH } = process.env;
const COMPLETE_MS = 30_000;

/**
 * Types a line and Tab into a shell of its own, which is the only thing that has completions; what it would offer is put into a file.
 * `exit` comes as soon as they are known.
 */
const INNER_ZSH = `
module_path=($ZSH_ROOT/usr/lib/x86_64-linux-gnu/zsh/*(N))
fpath=($ZSH_ROOT/usr/share/zsh/functions/**/*(/N))
PROMPT= RPROMPT=
zmodload zsh/zle zsh/complete zsh/computil zsh/parameter zsh/complist
autoload -Uz compinit && compinit -u -D
source $COMPLETION
bindkey '^I' complete-word
compadd() {
  case " $* " in *' -O '* | *' -A '* | *' -D '*) builtin compadd "$@"; return ;; esac
  local -a offered
  builtin compadd -A offered "$@"
  print -rl -- $offered >>$OFFERED
  builtin compadd "$@"
}
comppostfuncs=(exit)
`;

const OUTER_ZSH = `
module_path=($ZSH_ROOT/usr/lib/x86_64-linux-gnu/zsh/*(N))
zmodload zsh/zpty
zpty inner $ZSH -f -i
zpty -w inner "source $SETUP"
zpty -w -n inner "$LINE"$'\\t'
while zpty -r inner piece; do :; done
`;

/** A shell of Debian's, which is not installed. */
export class DebianShell {
  readonly #userland: Userland;
  readonly #name: "zsh" | "fish";

  private constructor(userland: Userland, name: "zsh" | "fish") {
    this.#userland = userland;
    this.#name = name;
  }

  /** Unpacked into the cache, once. Rejects with TestBedUnavailable where it cannot be had. */
  static async prepare(name: "zsh" | "fish"): Promise<DebianShell> {
    requireMachine();
    return new DebianShell(
      await unpackedProgram(WANTED[name], (line) => process.stderr.write(`${line}\n`)),
      name,
    );
  }

  /** What it offers behind this line, with this completion. */
  offered(completion: string, line: string): readonly string[] {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-shell-"));
    try {
      const script = join(folder, "completion");
      writeFileSync(script, completion);
      const lines =
        this.#name === "fish" ? this.#fish(script, line, folder) : this.#zsh(script, line, folder);
      return lines.filter((word) => word !== "");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #fish(script: string, line: string, folder: string): readonly string[] {
    const asked = `source ${script}; complete --do-complete '${line}'`;
    const text = this.#run(["--no-config", "--command", asked], { HOME: folder });
    return text.split("\n").map((offer) => offer.split("\t")[0]!);
  }

  #zsh(script: string, line: string, folder: string): readonly string[] {
    const shell = join(folder, "zsh");
    const words = this.#userland.program("usr/bin/zsh").map((word) => `'${word}'`);
    writeFileSync(shell, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
    chmodSync(shell, 0o755);
    const setup = join(folder, "setup");
    const offered = join(folder, "offered");
    writeFileSync(setup, INNER_ZSH);
    writeFileSync(offered, "");
    const printed = this.#run(["-f", "-c", OUTER_ZSH], {
      HOME: folder,
      TERM: "dumb",
      ZSH_ROOT: this.#userland.root,
      ZSH: shell,
      SETUP: setup,
      COMPLETION: script,
      OFFERED: offered,
      LINE: line,
    });
    if (printed !== "") throw new Error(printed);
    return readFileSync(offered, "utf8").split("\n");
  }

  #run(args: readonly string[], environment: Readonly<Record<string, string>>): string {
    const [loader, ...rest] = this.#userland.program(`usr/bin/${this.#name}`);
    const { status, stdout, stderr, error } = spawnSync(loader!, [...rest, ...args], {
      encoding: "utf8",
      env: { PATH, LC_ALL: "C.UTF-8", ...environment },
      timeout: COMPLETE_MS,
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`${this.#name} ended with ${status}\n${stdout}${stderr}`);
    return stdout + stderr;
  }
}
