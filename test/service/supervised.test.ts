import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onLinux } from "../support/poll-loop.ts";
import { ALONE, MAIN, usbferry } from "../support/usbferry.ts";
import { NoticeBox } from "./notice-box.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-service-"));
after(() => rmSync(folder, { recursive: true }));

/** A host whose supervisor is this test: it hands over sockets, and hears what the host tells. */
class Supervised {
  readonly process: ChildProcess;
  output = "";

  constructor(args: readonly string[], sockets: readonly Server[], environment: Record<string, string> = {}) {
    // LISTEN_PID is the process id of the host, which only a process that becomes it knows before.
    const become = `LISTEN_PID=$$ LISTEN_FDS=${sockets.length} exec "$0" "$@"`;
    const fds = sockets.map((socket) => {
      const { _handle: handle } = socket as unknown as { _handle: { fd: number } };
      return handle.fd;
    });
    this.process = spawn("/bin/sh", ["-c", become, process.execPath, MAIN, ...args], {
      env: { ...process.env, ...ALONE, ...environment },
      stdio: ["ignore", "pipe", "pipe", ...fds],
    });
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  async until(text: string): Promise<void> {
    for (const endMs = performance.now() + 15_000; !this.output.includes(text); ) {
      assert(performance.now() < endMs && this.process.exitCode === null, `no "${text}" in ${this.output}`);
      // oxlint-disable-next-line no-await-in-loop -- a look at what has come
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async end(): Promise<void> {
    this.process.kill("SIGTERM");
    if (this.process.exitCode === null) await once(this.process, "close");
    assert.equal(this.process.exitCode, 0, this.output);
  }
}

async function listening(where: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer().listen(where);
  await once(server, "listening");
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

test("a host that is told nothing listens at the sockets it is handed", onLinux, async () => {
  const path = join(folder, "usbip.sock");
  const sockets = [await listening({ host: "127.0.0.1", port: 0 }), await listening({ path })];
  const addresses = [`tcp:127.0.0.1:${portOf(sockets[0]!)}`, `unix:${path}`];
  const host = new Supervised(["serve", "--gadget", "zero"], sockets);
  await host.until(`Sharing zero on ${addresses.join(" and ")}.`);
  // Here nobody accepts any more: who is answered was answered by the host. The file would go with the socket.
  const other = join(folder, "other.sock");
  linkSync(path, other);
  for (const socket of sockets) socket.close();
  for (const address of [addresses[0]!, `unix:${other}`])
    assert.match(usbferry(["list", address]).stdout, /zero/);
  await host.end();
  assert(!host.output.includes("SOCKET_UNUSED"), host.output);
});

test(
  "a host uses a socket that is bound where it is told to listen, and names one that it does not use",
  onLinux,
  async () => {
    const sockets = [
      await listening({ host: "127.0.0.1", port: 0 }),
      await listening({ host: "::1", port: 0 }),
    ];
    const [used, unused] = sockets.map(portOf);
    // Nobody else can bind there: the socket is this test's, too.
    const host = new Supervised(["serve", "--gadget", "zero", "--listen", `tcp:${used}`], sockets);
    await host.until(`Sharing zero on tcp:127.0.0.1:${used}.`);
    await host.until(`SOCKET_UNUSED tcp:[::1]:${unused} `);
    await host.end();
    for (const socket of sockets) socket.close();
  },
);

test("a socket whose place no rule allows is refused as the same address is", onLinux, async () => {
  const socket = await listening({ host: "0.0.0.0", port: 0 });
  const host = new Supervised(["serve", "--gadget", "zero"], [socket]);
  await once(host.process, "close");
  assert.equal(host.process.exitCode, 3);
  assert.match(host.output, /would offer the devices to everyone/);
  socket.close();
});

for (const [kind, socket] of [
  ["a path", join(folder, "notify")],
  ["an abstract name", `@usbferry-notify-${process.pid}`],
] as const) {
  test(
    `a host tells its supervisor at ${kind} how it is: ready, alive, reading again, stopping`,
    onLinux,
    async () => {
      const box = new NoticeBox(socket);
      const config = join(folder, "config.yaml");
      writeFileSync(config, "gadgets: [zero]\n");
      const args = ["serve", "--listen", `unix:${join(folder, "host.sock")}`, "--config", config];
      const host = new Supervised(args, [], { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "200000" });
      await box.until(/^READY=1\nSTATUS=shares zero on unix:/);
      await box.until(/^WATCHDOG=1$/, 3);
      writeFileSync(config, "gadgets: [zero, keyboard]\n");
      host.process.kill("SIGHUP");
      await box.until(/^RELOADING=1$/);
      await box.until(/^READY=1\nSTATUS=shares zero, keyboard on /);
      await host.end();
      await box.until(/^STOPPING=1$/);
      box.close();
    },
  );
}

test("a supervisor that has gone, and one at no address, change nothing", onLinux, async () => {
  for (const NOTIFY_SOCKET of [join(folder, "nobody"), "vsock:2:1", `/${"x".repeat(200)}`]) {
    const host = new Supervised(
      ["serve", "--gadget", "zero", "--listen", `unix:${join(folder, "gone.sock")}`],
      [],
      {
        NOTIFY_SOCKET,
        WATCHDOG_USEC: "no number",
      },
    );
    // oxlint-disable-next-line no-await-in-loop -- one after the other, at one address
    await host.until("Sharing zero");
    // oxlint-disable-next-line no-await-in-loop -- likewise
    await host.end();
  }
  assert(!existsSync(join(folder, "gone.sock")));
});
