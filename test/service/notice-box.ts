import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { libc } from "../../src/linux/libc.ts";
import { SystemError } from "../../src/linux/system-error.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** The end of sd_notify(3) that a supervisor has: a datagram socket, which Node has none of. */
export class NoticeBox {
  readonly path: string;
  readonly notices: string[] = [];
  readonly #fd: number;

  /** A path that begins with `@` is an abstract name. */
  constructor(path: string) {
    const c = libc();
    assert(!(c instanceof SystemError));
    this.path = path;
    this.#fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const name = Buffer.from(path.replace(/^@/, "\0"));
    const address = new Uint8Array(112);
    new Uint16Array(address.buffer)[0] = AF_UNIX;
    address.set(name, 2);
    const bound = c.bind(this.#fd, new Uint32Array(address.buffer), 2 + name.length);
    assert.equal(bound, 0, `bind ${path}: ${c.errno()}`);
  }

  /** Waits until so many notices have come that match. */
  async until(pattern: RegExp, count = 1): Promise<void> {
    for (const endMs = performance.now() + 15_000; performance.now() < endMs; ) {
      this.#take();
      if (this.notices.filter((notice) => pattern.test(notice)).length >= count) return;
      // oxlint-disable-next-line no-await-in-loop -- there is nothing that tells
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no ${pattern} among ${JSON.stringify(this.notices)}`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #take(): void {
    const c = libc();
    assert(!(c instanceof SystemError));
    const bytes = new Uint8Array(4_096);
    for (let length = 1; length > 0; ) {
      length = c.recv(this.#fd, bytes, bytes.length, 0);
      if (length > 0) this.notices.push(Buffer.from(bytes.subarray(0, length)).toString());
    }
  }
}
