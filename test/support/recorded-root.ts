import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SystemRoot } from "../../src/daemon/doctor/system-root.ts";

/** Files of /proc, /sys and their like as a system had them: content by path, `-> target` for a link. */
export function recordedRoot(files: Readonly<Record<string, string | Uint8Array>>): SystemRoot {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-root-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string" && content.startsWith("-> ")) symlinkSync(content.slice(3), path);
    else writeFileSync(path, content);
  }
  return new SystemRoot(folder);
}
