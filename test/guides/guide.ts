import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FOLDER = `${ROOT}/docs/guides`;

/** Who types a line of a guide. */
export type Who = "host" | "guest" | "container" | "windows";

const PROMPT = /^(host|guest|container|windows)[$>] +(.*)$/;

/** What a reader is to type, and what the page shows below it. */
export interface GuideCommand {
  /** `qemu.md:24` */
  readonly at: string;
  readonly who: Who;
  /** Without its prompt, and in one line. */
  readonly text: string;
  readonly shown: readonly string[];
}

/** A fenced block: something to type, or the content of a file. */
export interface GuideBlock {
  readonly at: string;
  readonly language: string;
  readonly text: string;
  /** Nothing where it is a file. */
  readonly commands: readonly GuideCommand[];
}

/** A part of a page, from one heading to the next. */
export interface GuideSection {
  readonly title: string;
  readonly blocks: readonly GuideBlock[];
}

export interface Guide {
  readonly page: string;
  readonly sections: readonly GuideSection[];
}

export function guidePages(): readonly string[] {
  return readdirSync(FOLDER).toSorted();
}

export function readGuide(page: string): Guide {
  const lines = readFileSync(`${FOLDER}/${page}`, "utf8").split("\n");
  const sections: { title: string; blocks: GuideBlock[] }[] = [];
  for (let i = 0; i < lines.length; i++) {
    const title = /^#+ (.*)$/.exec(lines[i]!)?.[1];
    if (title !== undefined) sections.push({ title, blocks: [] });
    const language = /^```(.*)$/.exec(lines[i]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf("```", i + 1);
    const commands = language === "" ? readCommands(page, lines.slice(i + 1, end), i + 2) : [];
    const text = lines.slice(i + 1, end).join("\n");
    sections.at(-1)!.blocks.push({ at: `${page}:${i + 1}`, language, text, commands });
    i = end;
  }
  return { page, sections };
}

export function commandsOf({ sections }: Guide): readonly GuideCommand[] {
  return sections.flatMap(({ blocks }) => blocks.flatMap(({ commands }) => commands));
}

function readCommands(page: string, lines: readonly string[], firstLine: number): GuideCommand[] {
  const commands: { at: string; who: Who; text: string; shown: string[] }[] = [];
  let isOpen = false;
  lines.forEach((line, index) => {
    const last = commands.at(-1);
    const [, who, typed = ""] = PROMPT.exec(line) ?? [];
    if (who !== undefined) {
      commands.push({ at: `${page}:${firstLine + index}`, who: who as Who, text: typed, shown: [] });
    } else if (last === undefined) throw new Error(`${page}:${firstLine + index} has no prompt: ${line}`);
    else if (isOpen) last.text += ` ${line.trim()}`;
    else last.shown.push(line);
    isOpen = line.endsWith("\\") && (who !== undefined || isOpen);
    const open = commands.at(-1)!;
    if (isOpen) open.text = open.text.slice(0, -1).trimEnd();
  });
  return commands;
}
