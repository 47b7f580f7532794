import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { failureKind } from "../daemon/failure.ts";
import { type LocalFigures, localFigures } from "../daemon/local-daemons.ts";
import { interruption, unlessCancelled } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { figureLines } from "./figures-text.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";
import { isScreen, Screen, type ScreenLine } from "./screen.ts";

const HELP = `
Devices that somebody has, at the host and at the agent of this machine: URBs and megabytes a second, how long half,
99 % and 99.9 % of the URBs of the last second took (a read of an interrupt endpoint takes as long as nothing happens),
how many wait, and errors; below, in words, every error since the device was attached.

On a terminal it is drawn anew each second: e shows endpoints, q or Ctrl+C ends it. Elsewhere, and with --once, it
prints one table. MB are millions of bytes.`;

const PERIOD_MS = 1_000;
const CTRL_C = "\x03";
const NOBODY = "No device is in use.";

interface TopOptions extends ControlOption {
  readonly json?: true;
  readonly once?: true;
  readonly endpoints?: true;
}

export function addTop(root: Command): void {
  root
    .command("top")
    .description("live table of devices, URB/s, MB/s and latency")
    .option("--endpoints", "a line for each endpoint, too")
    .option("--once", "print one table, also on a terminal")
    .option("--json", "one JSON document on standard output")
    .option("--control <PATH>", CONTROL_OPTION)
    .addHelpText("after", HELP)
    .action(run);
}

async function run({ json, once, endpoints, control }: TopOptions): Promise<void> {
  const byEndpoint = endpoints === true;
  const figures = await unlessCancelled(localFigures(control));
  if (json === true) printJson(figures);
  else if (once === true || !isScreen(process.stdout)) process.stdout.write(asText(figures, byEndpoint));
  else await new Top(control, byEndpoint, figures).run();
}

function asText(figures: LocalFigures, byEndpoint: boolean): string {
  const { table, problems } = figureLines(figures, byEndpoint);
  return `${(table.length === 0 ? [NOBODY] : [...table, ...problems]).join("\n")}\n`;
}

/** The live table. */
class Top {
  readonly #control: string | undefined;
  readonly #screen = new Screen(process.stdout);
  #byEndpoint: boolean;
  #figures: LocalFigures;
  /** Why there are no newer figures. */
  #trouble: string | undefined;

  constructor(control: string | undefined, byEndpoint: boolean, figures: LocalFigures) {
    this.#control = control;
    this.#byEndpoint = byEndpoint;
    this.#figures = figures;
  }

  /** Until somebody ends it. */
  async run(): Promise<void> {
    const { stdin, stdout } = process;
    const ending = new AbortController();
    const ended = AbortSignal.any([ending.signal, interruption.signal]);
    const over = new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve()));
    const draw = (): void => this.#draw();
    stdin.on("data", (keys: Buffer) => {
      for (const key of keys.toString("latin1")) {
        if (key === "q" || key === CTRL_C) ending.abort();
        else if (key === "e") this.#byEndpoint = !this.#byEndpoint;
      }
      this.#draw();
    });
    if (stdin.isTTY) stdin.setRawMode(true);
    stdout.on("resize", draw);
    this.#screen.enter();
    try {
      while (!ended.aborted) {
        this.#draw();
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        await sleep(PERIOD_MS, undefined, { signal: ended }).catch(() => {});
        // oxlint-disable-next-line no-await-in-loop -- as above
        if (!ended.aborted) await Promise.race([this.#look(), over]);
      }
    } finally {
      stdout.off("resize", draw);
      this.#screen.leave();
      if (stdin.isTTY) stdin.setRawMode(false);
      // Nothing else keeps the command from ending.
      stdin.destroy();
    }
  }

  /** A host that is started again comes back by itself. */
  async #look(): Promise<void> {
    try {
      this.#figures = await localFigures(this.#control);
      this.#trouble = undefined;
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#trouble = (error as Error).message;
      this.#figures = {};
    }
  }

  #draw(): void {
    const { table, problems } = figureLines(this.#figures, this.#byEndpoint);
    const time = new Date().toTimeString().slice(0, 8);
    const lines: ScreenLine[] = [
      { text: `usbferry top  ${time}  ${this.#who()}  e: endpoints  q: end`, style: "dim" },
      { text: "" },
    ];
    const [head, ...rows] = table;
    if (this.#trouble !== undefined) lines.push({ text: printable(this.#trouble), style: "red" });
    else if (head === undefined) lines.push({ text: NOBODY });
    else lines.push({ text: head, style: "bold" }, ...rows.map((text) => ({ text })));
    // Rows of the table are worth more than what is below it.
    const room = this.#screen.rows - lines.length - 1;
    if (problems.length > 0 && room > 0) {
      lines.push({ text: "" }, ...problems.slice(0, room).map((text) => ({ text, style: "red" }) as const));
    }
    this.#screen.draw(lines);
  }

  #who(): string {
    const daemons = Object.entries(this.#figures).map(
      ([daemon, { devices }]) => `${daemon}: ${devices.length}`,
    );
    return daemons.join("  ");
  }
}
