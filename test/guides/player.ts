import assert from "node:assert/strict";
import type { Guest, GuestProcess } from "../vm/guest.ts";
import { readyAgent } from "../vm/own-attachment.ts";
import { commandsOf, type Guide, type GuideCommand, type GuideSection, readGuide } from "./guide.ts";
import { goesOn, type HostSide } from "./host-side.ts";
import { JUDGEMENTS, type Judgement, played, whyNotRun } from "./judgement.ts";

/** Loading the command takes seconds under emulation, and an agent that starts more. */
const COMMAND_MS = 180_000;

const TOOLS = "/tmp/guides";
/** In namespaces of its own, as a container is, and without a network. */
const CONTAINER = ["unshare", "-n", "-m", "-u", "-i"];

/** What a guest needs to be the one of a guide. */
export async function furnish(guest: Guest): Promise<void> {
  await guest.shell(`mkdir -p ${TOOLS} /root/job
    printf '#!/bin/sh\\nexec /node/bin/node /repo/dist/src/cli/main.js "$@"\\n' > ${TOOLS}/usbferry
    printf '#!/bin/sh\\nexec "$@"\\n' > ${TOOLS}/sudo
    chmod +x ${TOOLS}/*`);
}

/** A line of the guest's shell. */
export function inGuest(script: string): string[] {
  return ["sh", "-c", `export PATH=${TOOLS}:$PATH; cd /root/job; ${script}`];
}

/**
 * An agent starts by itself, and is waited for one minute; idle, it ends after half a minute. On a machine where others are
 * at work an emulated guest takes longer for both.
 */
export async function readyFor(guest: Guest, script: string): Promise<void> {
  if (!script.includes("usbferry attach")) return;
  await readyAgent(guest);
  await guest.call("test/vm/guest/agent-watch.js", "watch", []);
}

interface GuestResident {
  readonly text: string;
  readonly process: GuestProcess;
  readonly printed: string[];
}

/** Does what a page says, line by line, and compares what it shows with what comes. */
export class Player {
  readonly #host: HostSide;
  /** Lines that were played, or stand where it is said why not. */
  readonly #judged = new Set<string>();
  #guest: Guest | undefined;
  /** What the guest's shell was told to remember. */
  #variables = "";
  #residents: GuestResident[] = [];

  constructor(host: HostSide) {
    this.#host = host;
  }

  /** All that a page has typed at the host until its virtual machine has been started. */
  async beforeBoot(page: string): Promise<void> {
    const judgement = JUDGEMENTS[page]!;
    for (const section of readGuide(page).sections) {
      const commands = typedIn(section);
      const last = commands.findLastIndex(({ text }) => text.startsWith("qemu-system-x86_64 "));
      for (const command of commands.slice(0, last + 1)) await this.#play(command, judgement);
    }
  }

  /** The rest of it, in this guest. `beforeEnd` sees what the page has made. */
  async play(page: string, guest: Guest, beforeEnd?: () => Promise<void>): Promise<void> {
    const judgement = JUDGEMENTS[page]!;
    const guide = readGuide(page);
    this.#guest = guest;
    this.#variables = "";
    try {
      for (const text of judgement.before ?? []) await this.#begin(text, judgement.host ?? []);
      const before = this.#host.keep();
      try {
        for (const section of guide.sections) {
          for (const command of typedIn(section))
            if (!this.#judged.has(command.at)) await this.#play(command, judgement);
          if (judgement.isOneStory !== true) await this.#endSection();
        }
        await beforeEnd?.();
        await this.#endSection();
      } finally {
        await this.#host.end(before);
      }
    } finally {
      await this.#host.end();
    }
    this.#requireAll(guide);
  }

  async #begin(text: string, substitutions: NonNullable<Judgement["host"]>): Promise<void> {
    await this.#host.begin(played(text, substitutions, this.#host.values));
  }

  async #play(command: GuideCommand, judgement: Judgement): Promise<void> {
    const { at, who, text } = command;
    this.#judged.add(at);
    if (whyNotRun(judgement, text) !== undefined) return;
    const side = who === "host" ? judgement.host : judgement.guest;
    const line = played(text, side, this.#host.values);
    try {
      if (who === "host") {
        if (goesOn(line)) await this.#host.begin(line);
        else this.#compare(command, judgement, await this.#host.run(line));
      } else if (/^[A-Z]+=/.test(line)) this.#variables += `${line}\n`;
      else if (goesOn(line)) await this.#beginInGuest(line, who === "container");
      else this.#compare(command, judgement, await this.#runInGuest(line));
    } catch (error) {
      throw new Error(`${at}: ${line}\n${(error as Error).message}`, { cause: error });
    }
  }

  async #runInGuest(line: string): Promise<string> {
    await readyFor(this.#guest!, line);
    const { code, stdout, stderr } = await this.#guest!.run(inGuest(this.#variables + line), {
      timeoutMs: COMMAND_MS,
    });
    if (code !== 0) throw new Error(`it ended with ${code}\n${stdout}${stderr}`);
    return stdout + stderr;
  }

  /** One that waits for a host prints nothing before there is one. */
  async #beginInGuest(line: string, isContained: boolean): Promise<void> {
    await readyFor(this.#guest!, line);
    const printed: string[] = [];
    const argv = inGuest(`${this.#variables}exec ${line}`);
    const process = await this.#guest!.spawn([...(isContained ? CONTAINER : []), ...argv], (said) => {
      printed.push(said);
    });
    this.#residents.push({ text: line, process, printed });
    if (!line.includes("--listen vsock:"))
      await this.#guest!.waitFor(
        line,
        () => printed.some((said) => said.includes("Stop with Ctrl+C.")),
        COMMAND_MS,
      );
  }

  /** Numbers and widths of columns are those of the day. */
  #compare({ shown, who }: GuideCommand, judgement: Judgement, printed: string): void {
    const side = who === "host" ? judgement.host : judgement.guest;
    const lines = new Set(printed.split("\n").map(normal));
    for (const line of shown) {
      const wanted = normal(played(line, side, this.#host.values));
      assert(lines.has(wanted), `it does not print \`${line}\` but\n${printed}`);
    }
  }

  async #endSection(): Promise<void> {
    const guest = this.#guest!;
    // A guest that waits for a host ends when it has its device.
    for (const { text, process, printed } of this.#residents) {
      if (!text.includes("usbferry attach")) continue;
      const { code } = await process.exit;
      assert.equal(code, 0, `${text}\n${printed.join("\n")}`);
    }
    if ((await guest.run(["test", "-e", "/sys/devices/platform/vhci_hcd.0"])).code === 0)
      await guest.call("src/daemon/ports.js", "detachAll", []);
    for (const { process } of this.#residents.splice(0)) {
      await process.kill();
      await process.exit;
    }
    await this.#host.end();
  }

  #requireAll(guide: Guide): void {
    const missed = commandsOf(guide).filter(({ at }) => !this.#judged.has(at));
    assert.deepEqual(missed, [], "lines of a guide that nobody has judged");
  }
}

function typedIn({ blocks }: GuideSection): readonly GuideCommand[] {
  return blocks.flatMap(({ commands }) => commands);
}

function normal(line: string): string {
  return line.trim().replaceAll(/\s+/g, " ").replaceAll(/\d+/g, "0");
}
