import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { launchdFile } from "../../src/daemon/service/launchd-file.ts";
import { systemdUnits } from "../../src/daemon/service/systemd-units.ts";
import { usbferry } from "../support/usbferry.ts";

const image = mkdtempSync(join(tmpdir(), "usbferry-image-"));
after(() => rmSync(image, { recursive: true }));

const below = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .toSorted();

const HOST = [
  "/etc/systemd/system/usbferry.service",
  "/etc/systemd/system/usbferry.socket",
  "/etc/udev/rules.d/70-usbferry.rules",
  "/etc/usbferry/usbferry.yaml",
];
const AGENT = "/etc/systemd/system/usbferry-agent.service";

test("services are installed below a folder and removed again; the configuration stays", () => {
  const asked = ["--socket", "tcp:127.0.0.1:3240", "--udev-group", "plugdev"];
  const host = usbferry(["service", "install", "--root", image, ...asked]);
  assert.equal(host.code, 0, host.stderr);
  assert.equal(usbferry(["service", "install", "agent", "--root", image]).code, 0);
  assert.deepEqual(below(image), [AGENT, ...HOST].toSorted());
  for (const path of HOST) assert.match(host.stdout, new RegExp(`^written ${path}$`, "m"));

  writeFileSync(join(image, "/etc/usbferry/usbferry.yaml"), "gadgets: [zero]\n");
  const again = usbferry(["service", "install", "--root", image, "--json"]);
  assert.deepEqual(JSON.parse(again.stdout), {
    written: ["/etc/systemd/system/usbferry.service"],
    removed: [],
    started: [],
    kept: ["/etc/usbferry/usbferry.yaml"],
  });

  assert.equal(usbferry(["service", "remove", "--root", image]).code, 0);
  assert.deepEqual(below(image), [AGENT, "/etc/usbferry/usbferry.yaml"]);
  assert.equal(readFileSync(join(image, "/etc/usbferry/usbferry.yaml"), "utf8"), "gadgets: [zero]\n");
  assert.equal(usbferry(["service", "remove", "agent", "--root", image]).code, 0);
  assert.match(usbferry(["service", "remove", "--root", image]).stdout, /^There is nothing to remove\.$/m);
});

test("what is not ours is neither written over nor removed", () => {
  const folder = join(image, "other");
  const path = join(folder, "etc/systemd/system/usbferry.service");
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "[Service]\nExecStart=/bin/true\n");
  const install = usbferry(["service", "install", "--root", folder]);
  assert.equal(install.code, 1);
  assert.match(
    install.stderr,
    /usbferry\.service is there and was not written by usbferry.*Move it away first/,
  );
  assert.match(usbferry(["service", "remove", "--root", folder]).stdout, /^kept {4}\/etc/m);
  assert.deepEqual(below(folder), ["/etc/systemd/system/usbferry.service"]);
});

test("what cannot be a service is refused before anything is written", () => {
  const folder = join(image, "nothing");
  for (const [words, why] of [
    [["--socket", "fc-vsock:/run/vm.vsock:3240"], /systemd opens no socket of the kind fc-vsock:/],
    [["--socket", "3240"], /"3240" is no address/],
    [["nobody"], /Allowed choices are host, agent/],
  ] as const) {
    const { code, stderr } = usbferry(["service", "install", "--root", folder, ...words]);
    assert.equal(code, 2);
    assert.match(stderr, why);
  }
  assert(!existsSync(folder));
});

test("a command line is quoted as systemd reads it, and a program of somebody's home can be read", () => {
  const program = { runtime: ["/home/me/my node/bin/node"], script: "/home/me/50%/$cli.js" };
  const text = systemdUnits({ part: "host", program, config: "/etc/u.yaml", sockets: [] })
    .map((file) => file.text)
    .join("");
  assert.match(
    text,
    /^ExecStart="\/home\/me\/my node\/bin\/node" \/home\/me\/50%%\/\$\$cli\.js serve --config \/etc\/u\.yaml$/m,
  );
  assert.match(text, /^ProtectHome=read-only$/m);
});

test("sockets are written as systemd reads them", () => {
  const program = { runtime: ["/usr/bin/node"], script: "/usr/lib/usbferry/main.js" };
  const sockets = ["tcp:3240", "tls:0.0.0.0:3241", "tcp:[::1]:1", "unix:/run/u.sock", "vsock:5000"];
  const text = systemdUnits({ part: "host", program, config: "/c", sockets })
    .map((file) => file.text)
    .join("");
  assert.deepEqual(
    Array.from(text.matchAll(/^ListenStream=(.*)$/gm), ([, where]) => where),
    ["127.0.0.1:3240", "0.0.0.0:3241", "[::1]:1", "/run/u.sock", "vsock::5000"],
  );
});

test("a file for launchd holds every word of the command, and there is no agent", () => {
  const program = { runtime: ["/opt/a & b/node"], script: "/opt/usbferry/<main>.js" };
  const { text } = launchdFile({ part: "host", program, config: "/etc/u.yaml", sockets: [] });
  assert.deepEqual(
    Array.from(text.matchAll(/^ {4}<string>(.*)<\/string>$/gm), ([, word]) => word),
    ["/opt/a &amp; b/node", "/opt/usbferry/&lt;main&gt;.js", "serve", "--config", "/etc/u.yaml"],
  );
  assert.throws(() => launchdFile({ part: "agent", program, config: "", sockets: [] }), /no agent to run/);
});
