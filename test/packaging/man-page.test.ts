import assert from "node:assert/strict";
import { test } from "node:test";
import { manPage } from "../../packaging/man-page.ts";
import { outlineOf } from "../../src/cli/command-outline.ts";
import { everyCommand } from "../../src/cli/completion/every-command.ts";
import { program } from "../../src/cli/program.ts";

const outline = outlineOf(await program([]));
const page = manPage(outline, "1.2.3");

test("every command and option of the help is in the manual page", () => {
  for (const { path, options } of everyCommand(outline).slice(1)) {
    assert(page.includes(`.SS "usbferry ${path.join(" ").replaceAll("-", "\\-")}`), path.join(" "));
    for (const flag of options.flatMap(({ flags }) => flags)) {
      if (flag !== "--help" && flag !== "-h")
        assert(page.includes(`\\fB${flag.replaceAll("-", "\\-")}\\fR`), flag);
    }
  }
});

test("no line of it is a request by mistake, and its macros are those of man(7)", () => {
  assert.match(page, /^\.TH USBFERRY 1 "" "usbferry 1\.2\.3" "User Commands"$/m);
  const requests = new Set(Array.from(page.matchAll(/^[.'](\S*)/gm), ([, request]) => request));
  assert.deepEqual(Array.from(requests, String).toSorted(), [
    "B",
    "BR",
    "I",
    "IR",
    "PP",
    "RI",
    "SH",
    "SS",
    "TH",
    "TP",
    "br",
  ]);
});
