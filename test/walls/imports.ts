import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** A line of source that reaches through a wall. */
export interface Breach {
  /** Path of the file from the root of the tree. */
  readonly file: string;
  readonly specifier: string;
  readonly reason: string;
}

interface RoomConfiguration {
  readonly compilerOptions?: { readonly types?: readonly string[]; readonly jsxImportSource?: string };
  readonly references?: readonly { readonly path: string }[];
}

interface Room {
  readonly name: string;
  readonly mayImport: ReadonlySet<string>;
  readonly mayUseNode: boolean;
  /** The one package that is bundled into what it comes to. */
  readonly bundles: string | undefined;
}

/** Static and dynamic imports, re-exports, and the URLs that workers are started from. */
const SPECIFIERS = [
  /^(?:import|export)\b[^"';]*?\bfrom\s*["']([^"'\s]+)["']/gm,
  /^import\s*["']([^"'\s]+)["']/gm,
  /\bimport\s*\(\s*["']([^"'\s]+)["']/g,
  /\bnew\s+URL\(\s*["']([^"'\s]+)["']\s*,\s*import\.meta\.url/g,
  /\bimport\.meta\.resolve\(\s*["']([^"'\s]+)["']/g,
];

function readRoom(sources: string, name: string): Room {
  const text = readFileSync(join(sources, name, "tsconfig.json"), "utf8");
  const configuration: RoomConfiguration = JSON.parse(text);
  return {
    name,
    mayImport: new Set(configuration.references?.map(({ path }) => relative("..", path))),
    mayUseNode: configuration.compilerOptions?.types?.includes("node") ?? false,
    bundles: configuration.compilerOptions?.jsxImportSource,
  };
}

/**
 * Every import of the rooms under `root`/src that its room does not allow. The compiler refuses most of them;
 * it does not look at the URL of a worker, which is an import all the same.
 */
export function findBreaches(root: string): Breach[] {
  const sources = join(root, "src");
  const rooms = readdirSync(sources).map((name) => readRoom(sources, name));
  return rooms.flatMap((room) =>
    readdirSync(join(sources, room.name), { recursive: true, encoding: "utf8" })
      .filter((path) => /\.tsx?$/.test(path) && !path.endsWith(".test.ts"))
      .flatMap((path) => breachesOf(root, room, join(sources, room.name, path))),
  );
}

function breachesOf(root: string, room: Room, path: string): Breach[] {
  const text = readFileSync(path, "utf8");
  const file = relative(root, path);
  return SPECIFIERS.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]!)).flatMap(
    (specifier) => {
      const reason = judge(root, room, path, specifier);
      return reason === undefined ? [] : [{ file, specifier, reason }];
    },
  );
}

function judge(root: string, room: Room, path: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) {
    return room.mayUseNode ? undefined : `${room.name} runs without Node`;
  }
  if (specifier === "usbferry" || specifier.startsWith("usbferry/")) {
    return "inside the package the defining file is imported";
  }
  if (!specifier.startsWith(".")) {
    if (room.bundles !== undefined && specifier.split("/", 1)[0] === room.bundles) return undefined;
    return room.mayUseNode ? undefined : `${room.name} has no dependencies`;
  }
  const [top, target] = relative(root, resolve(dirname(path), specifier)).split("/");
  if (top !== "src") return specifier.endsWith("package.json") ? undefined : "src imports from src only";
  if (target === room.name || room.mayImport.has(target!)) return undefined;
  return `${room.name} may import ${[...room.mayImport].join(", ") || "no other room"}`;
}
