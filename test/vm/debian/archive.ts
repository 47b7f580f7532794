import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outputOf } from "./program.ts";
import type { DebianMirror } from "./source-list.ts";

/** A package file as the signed index names it. */
export interface PackageFile {
  readonly name: string;
  readonly sha256: string;
  /** Where the archive keeps it after a download. */
  readonly path: string;
}

export interface PackageRequest {
  readonly names: readonly string[];
  /** With everything they depend on, or the named packages alone. */
  readonly dependencies: boolean;
  /** The suite to prefer, where the archive has several. */
  readonly release?: string;
}

/**
 * Debian's archive through the machine's own apt-get, with its configuration, lists and downloads in a folder of ours:
 * nothing is installed, no privilege is needed, and apt checks every signature and hash as it always does.
 */
export class Archive {
  readonly #folder: string;
  readonly #suites: readonly string[];
  readonly #age: "current" | "any";

  /** Of unstable many mirrors keep an index that has run out; it is signed all the same. */
  constructor(folder: string, suites: readonly string[], age: "current" | "any" = "current") {
    this.#folder = folder;
    this.#suites = suites;
    this.#age = age;
  }

  get #downloads(): string {
    return join(this.#folder, "downloads");
  }

  /** Fetches the signed indexes. Rejects if the mirror is out of reach or a signature is wrong. */
  async update(mirror: DebianMirror): Promise<void> {
    await this.#configure(mirror);
    await this.#apt(["apt-get", "-qq", "update"]);
  }

  /** Was there ever an update that succeeded? */
  get hasIndex(): boolean {
    const lists = join(this.#folder, "lists");
    const releases = existsSync(lists)
      ? readdirSync(lists).filter((name) => name.endsWith("_InRelease"))
      : [];
    return releases.length === this.#suites.length;
  }

  /** The files that the request comes to, seen from a machine with nothing installed. */
  async resolve(request: PackageRequest): Promise<PackageFile[]> {
    // Of the files that are in its archive folder already apt would say nothing.
    const nothingYet = ["-o", `Dir::Cache::archives=${join(this.#folder, "none")}`];
    const listing = await this.#apt([
      "apt-get",
      "-qq",
      "-y",
      ...nothingYet,
      "--print-uris",
      ...command(request),
    ]);
    const files: PackageFile[] = [];
    for (const line of listing.split("\n")) {
      const parts = /^'[^']+' (\S+\.deb) \d+ SHA256:([0-9a-f]{64})$/.exec(line.trim());
      if (parts) files.push({ name: parts[1]!, sha256: parts[2]!, path: join(this.#downloads, parts[1]!) });
    }
    if (files.length === 0) throw new Error(`apt-get names no file for ${request.names.join(", ")}.`);
    return files;
  }

  /** Downloads what is not there yet. */
  async fetch(request: PackageRequest, files: readonly PackageFile[]): Promise<void> {
    if (files.every((file) => existsSync(file.path))) return;
    await this.#apt(["apt-get", "-qq", "-y", "--download-only", ...command(request)], this.#downloads);
  }

  /** Forgets downloads other than these. */
  async keepOnly(files: readonly PackageFile[]): Promise<void> {
    const wanted = new Set(files.map((file) => file.name));
    for (const entry of await readdir(this.#downloads))
      if (entry.endsWith(".deb") && !wanted.has(entry)) await rm(join(this.#downloads, entry));
  }

  /** The newest package that this meta package stands for, `linux-image-6.1.0-50-amd64` say. */
  async standsFor(meta: string, pattern: RegExp): Promise<string> {
    const depends = await this.#apt(["apt-cache", "depends", "--important", meta]);
    for (const line of depends.split("\n")) {
      const name = /^\s*Depends:\s*(\S+)/.exec(line)?.[1];
      if (name !== undefined && pattern.test(name)) return name;
    }
    throw new Error(
      `Debian's ${meta} (${this.#suites.join(", ")}) depends on nothing that matches ${pattern}.`,
    );
  }

  #apt(argv: readonly string[], cwd = this.#folder): Promise<string> {
    // LC_ALL: messages and field names are matched. DEBIAN_FRONTEND: nothing may ask.
    const env = {
      ...process.env,
      APT_CONFIG: join(this.#folder, "apt.conf"),
      LC_ALL: "C",
      DEBIAN_FRONTEND: "noninteractive",
    };
    return outputOf(argv, { env, cwd });
  }

  async #configure(mirror: DebianMirror): Promise<void> {
    const at = (name: string): string => join(this.#folder, name);
    for (const name of ["empty", "lists/partial", "downloads/partial", "none/partial", "state"])
      await mkdir(at(name), { recursive: true });
    await writeFile(at("status"), "");
    await writeFile(
      at("sources.list"),
      this.#suites.map((suite) => `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${suite} main\n`).join(""),
    );
    await writeFile(
      at("apt.conf"),
      (await machineTransport()) +
        quoted("Dir::Etc::sourcelist", at("sources.list")) +
        ["sourceparts", "parts", "preferencesparts", "trustedparts"]
          .map((name) => quoted(`Dir::Etc::${name}`, at("empty")))
          .join("") +
        quoted("Dir::Etc::main", "/dev/null") +
        quoted("Dir::Etc::preferences", "/dev/null") +
        quoted("Dir::Etc::trusted", "/dev/null") +
        quoted("Dir::State", at("state")) +
        quoted("Dir::State::lists", at("lists")) +
        quoted("Dir::State::status", at("status")) +
        quoted("Dir::Cache", at("state")) +
        quoted("Dir::Cache::archives", this.#downloads) +
        quoted("Dir::Log", at("state")) +
        quoted("APT::Architecture", "amd64") +
        'APT::Architectures { "amd64"; };\n' +
        quoted("APT::Install-Recommends", "false") +
        quoted("APT::Sandbox::User", "") +
        quoted("APT::Update::Error-Mode", "any") +
        quoted("Acquire::ForceHash", "SHA256") +
        quoted("Acquire::Languages", "none") +
        quoted("Acquire::PDiffs", "false") +
        (this.#age === "any" ? quoted("Acquire::Check-Valid-Until", "false") : ""),
    );
  }
}

function quoted(name: string, value: string): string {
  return `${name} "${value}";\n`;
}

function command({ names, dependencies, release }: PackageRequest): string[] {
  return [dependencies ? "install" : "download", ...(release === undefined ? [] : ["-t", release]), ...names];
}

/** One name for a set of package files. */
export function digestOf(files: readonly PackageFile[], ...more: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file.name} ${file.sha256}\n`);
  for (const text of more) hash.update(text);
  return hash.digest("hex").slice(0, 16);
}

/**
 * How this machine reaches its mirrors: proxies, time limits, and whether it allows an outdated index (a frozen mirror).
 * Everything else of its configuration, hooks above all, stays out.
 */
async function machineTransport(): Promise<string> {
  const dump = await outputOf(["apt-config", "dump", "--no-empty", "--format", '%F "%v";%n']);
  const transport =
    /^Acquire::(https?|ftp|Retries|ForceIPv4|ForceIPv6|Check-Valid-Until|Check-Date|Max-ValidTime)\b/i;
  return dump
    .split("\n")
    .filter((line) => transport.test(line))
    .map((line) => `${line}\n`)
    .join("");
}
