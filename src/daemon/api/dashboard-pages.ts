import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { Failed } from "../failure.ts";

/** Where the build puts them. */
const FOLDER = join(import.meta.dirname, "../../../dashboard");

const FILES: ReadonlyMap<string, { readonly file: string; readonly type: string }> = new Map([
  ["/", { file: "index.html", type: "text/html; charset=utf-8" }],
  ["/main.js", { file: "main.js", type: "text/javascript; charset=utf-8" }],
  ["/page.css", { file: "page.css", type: "text/css; charset=utf-8" }],
  ["/icon.svg", { file: "icon.svg", type: "image/svg+xml" }],
]);

/** Nothing but its own files, and no place to send anything to but here. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=()",
} as const;

/** The files of the dashboard, which everybody may read: what they show stands behind the token. */
export class DashboardPages {
  readonly #loaded = new Map<string, Promise<Buffer>>();

  /** Throws Failed where they have not been built. */
  constructor() {
    for (const { file } of FILES.values()) {
      if (existsSync(join(FOLDER, file))) continue;
      throw new Failed(
        `the dashboard is not there: ${FOLDER} has no ${file}. In a checkout build it with \`npm run build\`.`,
      );
    }
  }

  /** Of every answer at the place of the dashboard. */
  guard(response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  }

  has({ method, url }: IncomingMessage): boolean {
    return (method === "GET" || method === "HEAD") && FILES.has(pathOf(url));
  }

  /** Answers what it has. */
  async send({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(url);
    const { file, type } = FILES.get(path)!;
    let loading = this.#loaded.get(path);
    if (loading === undefined) {
      loading = readFile(join(FOLDER, file));
      this.#loaded.set(path, loading);
    }
    try {
      const bytes = await loading;
      response.writeHead(200, {
        "content-type": type,
        "content-length": bytes.length,
        "cache-control": "no-cache",
      });
      response.end(bytes);
    } catch {
      // The package was taken away under the host.
      this.#loaded.delete(path);
      response.writeHead(404).end();
    }
  }
}

function pathOf(url = ""): string {
  return url.split("?", 1)[0]!;
}
