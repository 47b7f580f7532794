import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { outlineOf } from "../src/cli/command-outline.ts";
import { completions } from "../src/cli/completion.ts";
import { program } from "../src/cli/program.ts";
import { VERSION } from "../src/daemon/version.ts";
import { manPage } from "./man-page.ts";

/** Writes what a package holds beside the program: the manual page, and a completion for each shell. */
const folder = fileURLToPath(new URL("../share", import.meta.url));
mkdirSync(folder, { recursive: true });
const outline = outlineOf(await program([]));
writeFileSync(`${folder}/usbferry.1`, manPage(outline, VERSION));
for (const [shell, text] of Object.entries(completions(outline)))
  writeFileSync(`${folder}/usbferry.${shell}`, text);
