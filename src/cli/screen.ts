const ALTERNATE = "\x1b[?1049h\x1b[?25l";
const ORDINARY = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const END_OF_LINE = "\x1b[K";
const END_OF_SCREEN = "\x1b[J";

const STYLES = { bold: "1", dim: "2", red: "31" } as const;

/** A line of a screen. What is longer than the screen is wide is cut off. */
export interface ScreenLine {
  readonly text: string;
  readonly style?: keyof typeof STYLES;
}

/** Whether this terminal can be drawn on. */
export function isScreen({ isTTY }: { readonly isTTY?: boolean }): boolean {
  const { TERM } = process.env;
  return isTTY === true && TERM !== "dumb";
}

/** A whole terminal that is drawn anew again and again, and is as it was before when it is left. */
export class Screen {
  readonly #terminal: NodeJS.WriteStream;
  readonly #isColoured: boolean;
  readonly #leave = (): void => void this.#terminal.write(ORDINARY);

  constructor(terminal: NodeJS.WriteStream) {
    const { NO_COLOR = "" } = process.env;
    this.#terminal = terminal;
    this.#isColoured = NO_COLOR === "";
  }

  /** A serial line does not know its size, and says 0. */
  get rows(): number {
    return this.#terminal.rows || 24;
  }

  get #columns(): number {
    return this.#terminal.columns || 80;
  }

  enter(): void {
    this.#terminal.write(ALTERNATE);
    // Also when it ends with a defect.
    process.once("exit", this.#leave);
  }

  leave(): void {
    process.off("exit", this.#leave);
    this.#leave();
  }

  draw(lines: readonly ScreenLine[]): void {
    const drawn = lines.slice(0, this.rows).map((line) => `${this.#print(line)}${END_OF_LINE}`);
    this.#terminal.write(`${HOME}${drawn.join("\r\n")}${END_OF_SCREEN}`);
  }

  #print({ text, style }: ScreenLine): string {
    const cut = text.slice(0, this.#columns);
    return style === undefined || !this.#isColoured ? cut : `\x1b[${STYLES[style]}m${cut}\x1b[0m`;
  }
}
