import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { linkError } from "../../links/link-error.ts";
import { AccessDenied, Failed } from "../failure.ts";
import { type DaemonRole, runtimeFolder } from "./control-place.ts";

/** What a client over TCP has to know: it stands in a file that only this user can read. */
export class TokenFile {
  readonly path: string;
  readonly #digest: Buffer;

  private constructor(path: string, token: string) {
    this.path = path;
    this.#digest = digest(token);
  }

  /** Makes a token; that of an earlier run is void. Rejects with Failed or a LinkError. */
  static create(path: string): TokenFile {
    const token = randomBytes(32).toString("base64url");
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
      // Never written into a file that was there: its readers are unknown.
      rmSync(path, { force: true });
      writeFileSync(path, `${token}\n`, { mode: 0o600, flag: "wx" });
    } catch (error) {
      throw linkError(
        "listen",
        `the control API with the token file ${path}`,
        error as NodeJS.ErrnoException,
      );
    }
    return new TokenFile(path, token);
  }

  /** Takes as long for a wrong token as for the right one. */
  accepts(authorization: string | undefined): boolean {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "";
    return timingSafeEqual(digest(token), this.#digest);
  }

  /** Leaves alone what another daemon has put there since. */
  remove(): void {
    try {
      if (digest(readFileSync(this.path, "utf8").trim()).equals(this.#digest)) rmSync(this.path);
    } catch {
      // It is gone already.
    }
  }
}

/** Where the token of a daemon stands: beside its default socket, or where USBFERRY_TOKEN says. */
export function tokenPath(role: DaemonRole): string {
  const { USBFERRY_TOKEN = "" } = process.env;
  if (USBFERRY_TOKEN !== "") return USBFERRY_TOKEN;
  const folder = runtimeFolder();
  if (folder === undefined) {
    throw new Failed(
      "there is no folder for the token of the control API: XDG_RUNTIME_DIR is not set. Set it to a folder of yours.",
    );
  }
  return join(folder, `${role}.token`);
}

export function readToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES") {
      throw new AccessDenied(`this user may not read the token ${path}. Run it as the user of the daemon.`);
    }
    throw new Failed(`there is no token in ${path} (${code}). Start the host with --control tcp:PORT first.`);
  }
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
