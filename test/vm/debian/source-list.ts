import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A place this machine's apt fetches Debian from, and the key that its index is signed with. */
export interface DebianMirror {
  readonly uri: string;
  readonly keyring: string;
}

export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  /** A file name, or an embedded key; undefined where the machine's global keys apply. */
  readonly signedBy: string | undefined;
}

// The package debian-archive-keyring names the same keys .gpg up to Debian 12 and .pgp from Debian 13 on.
const DEBIAN_KEYRING = /^\/.*\/debian-archive-keyring\.(gpg|pgp|asc)$/;
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** deb822 stanzas (sources.list(5), "deb822-style format"). `Enabled: no` stanzas count: they still name a mirror. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  for (const paragraph of withoutComments.split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    let field = "";
    for (const line of paragraph.split("\n")) {
      const head = /^([A-Za-z][A-Za-z-]*):[ \t]*(.*)$/.exec(line);
      if (head) {
        field = head[1]!.toLowerCase();
        fields.set(field, head[2]!.trim());
      } else if (/^[ \t]/.test(line) && field) {
        fields.set(field, `${fields.get(field)} ${line.trim()}`.trim());
      }
    }
    if (!words(fields.get("types")).includes("deb")) continue;
    sources.push({
      uris: words(fields.get("uris")),
      suites: words(fields.get("suites")),
      signedBy: fields.get("signed-by"),
    });
  }
  return sources;
}

/** The one-line format: `deb [option=value ...] uri suite component...` */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split("\n")) {
    const parts = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line);
    if (!parts) continue;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(parts[1] ?? "")?.[1];
    sources.push({ uris: [parts[2]!], suites: [parts[3]!], signedBy });
  }
  return sources;
}

/**
 * The mirrors to try, best first: those that name the Debian archive keyring, then those without a key of their own
 * (on an older machine Debian's own lines have none). A wrong one of the second kind fails apt's signature check.
 */
export function debianMirrors(sources: readonly AptSource[], keyrings: readonly string[]): DebianMirror[] {
  const named: DebianMirror[] = [];
  const unnamed: DebianMirror[] = [];
  for (const source of sources) {
    // The security archive is another archive: it has no trixie, only trixie-security.
    if (source.suites.every((suite) => suite.includes("-security") || suite.includes("/"))) continue;
    const uri = source.uris[0];
    if (uri === undefined) continue;
    const keyring = source.signedBy && DEBIAN_KEYRING.test(source.signedBy) ? source.signedBy : undefined;
    if (keyring) named.push({ uri, keyring });
    else if (source.signedBy === undefined && keyrings[0]) unnamed.push({ uri, keyring: keyrings[0] });
  }
  return [...named, ...unnamed];
}

/** Reads every apt source of this machine. */
export function machineMirrors(etc = "/etc/apt"): DebianMirror[] {
  const sources: AptSource[] = [];
  const list = join(etc, "sources.list");
  if (existsSync(list)) sources.push(...parseOneLineSources(readFileSync(list, "utf8")));
  const parts = join(etc, "sources.list.d");
  for (const name of existsSync(parts) ? readdirSync(parts).toSorted() : []) {
    if (name.endsWith(".list")) sources.push(...parseOneLineSources(readFileSync(join(parts, name), "utf8")));
    if (name.endsWith(".sources"))
      sources.push(...parseDeb822Sources(readFileSync(join(parts, name), "utf8")));
  }
  return debianMirrors(sources, KEYRINGS.filter(existsSync)).filter((mirror) => existsSync(mirror.keyring));
}

function words(value: string | undefined): string[] {
  return value?.split(/\s+/).filter((word) => word !== "") ?? [];
}
