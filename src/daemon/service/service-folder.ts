import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AccessDenied, Failed } from "../failure.ts";
import { MARK, type ServiceFile } from "./service-file.ts";

/** The files of a machine's services, below its root or that of an image. */
export class ServiceFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  has(path: string): boolean {
    return existsSync(this.#at(path));
  }

  /** Throws Failed if somebody else's file is there, and AccessDenied. */
  requireOurs(path: string): void {
    if (this.has(path) && !this.isOurs(path)) {
      throw new Failed(
        `${path} is there and was not written by usbferry, or was changed since. Move it away first; with systemd, ` +
          "what you change in a drop-in (systemctl edit) stays.",
      );
    }
  }

  isOurs(path: string): boolean {
    return this.#does("read", path, () => readFileSync(this.#at(path), "utf8").includes(MARK));
  }

  /** Throws AccessDenied or Failed. */
  write({ path, text }: ServiceFile): void {
    this.#does("write", path, () => {
      mkdirSync(dirname(this.#at(path)), { recursive: true });
      writeFileSync(this.#at(path), text, { mode: 0o644 });
    });
  }

  /** Throws AccessDenied or Failed. */
  remove(path: string): void {
    this.#does("remove", path, () => rmSync(this.#at(path)));
  }

  #at(path: string): string {
    return join(this.#root, path);
  }

  #does<T>(what: string, path: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { code = "unknown", message } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM") {
        throw new AccessDenied(`this user may not ${what} ${this.#at(path)} (${code}). Run it with sudo.`);
      }
      throw new Failed(`cannot ${what} ${this.#at(path)}: ${message}.`);
    }
  }
}
