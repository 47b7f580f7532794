import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HUB, KEYBOARD, SysfsTree } from "../../test/support/sysfs-tree.ts";
import { type Outcome, RunningUsbferry, usbferry } from "../../test/support/usbferry.ts";

/** A machine with a tree of devices, a folder of state, and a host that may run on it. */
class OneMachine {
  readonly tree = new SysfsTree();
  readonly #folder = mkdtempSync(join(tmpdir(), "usbferry-bind-"));
  readonly #state = join(this.#folder, "state");
  readonly #environment: Readonly<Record<string, string>>;

  constructor(context: TestContext) {
    this.#environment = {
      USBFERRY_ROOT: this.tree.folder,
      USBFERRY_STATE: this.#state,
      USBFERRY_CONTROL: join(this.#folder, "serve.sock"),
    };
    context.after(() => {
      this.tree.remove();
      rmSync(this.#folder, { recursive: true });
    });
  }

  run(line: string): Outcome {
    return usbferry(line.split(" "), this.#environment);
  }

  /** What it prints; it must be done, and without a word beside. */
  says(line: string): string {
    const { code, stdout, stderr } = this.run(line);
    assert.deepEqual([code, stderr], [0, ""], line);
    return stdout;
  }

  refusal(line: string): string {
    const { code, stdout, stderr } = this.run(line);
    assert.deepEqual([code, stdout], [1, ""], line);
    return stderr;
  }

  async serving(context: TestContext, ...args: readonly string[]): Promise<RunningUsbferry> {
    const host = new RunningUsbferry(["serve", "--listen", "tcp:127.0.0.1:0", ...args], this.#environment);
    context.after(() => host.end("SIGKILL"));
    await host.until("Sharing");
    return host;
  }

  get binds(): unknown {
    return JSON.parse(readFileSync(join(this.#state, "binds.json"), "utf8"));
  }
}

function machine(context: TestContext): OneMachine {
  const made = new OneMachine(context);
  made.tree.plug({ manufacturer: "QEMU", product: "QEMU USB HARDDRIVE", serial: "S1" });
  made.tree.plug({
    name: "1-3",
    devnum: 3,
    descriptors: KEYBOARD,
    product: "Keys",
    interfaces: { 0: "usbhid" },
  });
  made.tree.plug({ name: "1-4", devnum: 4, descriptors: HUB, interfaces: { 0: "hub" } });
  made.tree.plug({ name: "2-1", speed: "5000", interfaces: { 0: null }, serial: "S2" });
  made.tree.plug({
    name: "5-1",
    controller: "devices/platform/vhci_hcd.0",
    interfaces: { 0: "usb-storage" },
  });
  return made;
}

const TABLE = `\
BUSID  VID:PID    DEVICE                             STATE
1-2    46f4:0001  QEMU USB HARDDRIVE (Mass storage)  In use by usb-storage
1-3    0627:0001  Keys (Keyboard)                    In use by usbhid
1-4    0409:55aa  Hub                                In use by hub
2-1    46f4:0001  Mass storage                       Not shared
5-1    46f4:0001  Unknown                            Attached here
`;

/** Where the system has a list of names, they are told, too. */
function withoutNames(text: string): string {
  return text
    .replace(/^(1-4|2-1|5-1)( +\S+ +)\S[^(\n]*\(([A-Z][a-z ]+)\)/gm, "$1$2$3")
    .replace(/ {2,}/g, "  ");
}

test("without a host, list shows what is plugged in and bind keeps what is to be shared", (t) => {
  const it = machine(t);
  assert.equal(withoutNames(it.says("list")), TABLE.replace(/ {2,}/g, "  "));
  assert.equal(it.says("bind 1-2"), "1-2 (46f4:0001:S1) is shared from now on.\n");
  assert.equal(it.says("bind /dev/bus/usb/002/002"), "2-1 (46f4:0001:S2) is shared from now on.\n");
  assert.deepEqual(it.binds, {
    version: 1,
    binds: [
      { vid: "46f4", pid: "0001", serial: "S1", name: "QEMU USB HARDDRIVE" },
      { vid: "46f4", pid: "0001", serial: "S2" },
    ],
  });
  assert.match(it.says("list"), /^1-2 .* {2}Shared$/m);
  assert.match(it.refusal("bind 46f4:0001"), /may be 1-2 \(46f4:0001:S1\) or 2-1 \(46f4:0001:S2\): name one/);
  it.tree.unplug("1-2");
  assert.match(it.says("list"), /^- {6}46f4:0001 {2}QEMU USB HARDDRIVE +Shared, not plugged in$/m);
  assert.equal(it.says("unbind 46f4:0001:S1"), "46f4:0001:S1 is not bound any more.\n");
  assert.match(
    it.refusal("unbind 1-2"),
    /^usbferry: error: 1-2 is not bound\. `usbferry list` shows what is\.\n$/,
  );
  assert.equal(it.says("unbind --all"), "2-1 (46f4:0001:S2) is not bound any more.\n");
  assert.equal(it.says("unbind --all"), "Nothing was bound.\n");
  assert.match(it.says("list"), /^2-1 .* {2}Not shared$/m);
});

test("a host shares what is bound, at its start and while it runs, and after a restart", async (t) => {
  const it = machine(t);
  it.says("bind 2-1");
  const host = await it.serving(t, "--gadget", "zero");
  assert.match(host.stdout, /^Sharing 2-1, zero on/);
  assert.match(it.says("list"), /^2-1 .* {2}Shared\n5-1 .*\nzero .* {2}Shared$/m);
  it.says("bind 1-2");
  const address = /tcp:127\.0\.0\.1:\d+/.exec(host.stdout)![0];
  const { devices } = JSON.parse(usbferry(["list", address, "--json"]).stdout) as {
    devices: { busid: string; busnum: number; devnum: number; path: string; speed: string }[];
  };
  assert.deepEqual(
    devices.map(({ busid, busnum, devnum, speed }) => [busid, busnum, devnum, speed]),
    [
      ["2-1", 2, 2, "super"],
      ["zero", 1, 1, "high"],
      ["1-2", 1, 2, "high"],
    ],
  );
  assert(devices[2]!.path.endsWith("/usb1/1-2"));
  assert.equal(it.says("unbind 2-1"), "2-1 (46f4:0001:S2) is not bound any more.\n");
  assert.match(it.says("list"), /^2-1 .* {2}Not shared$/m);
  await host.end("SIGTERM");
  const next = await it.serving(t);
  assert.match(next.stdout, /^Sharing 1-2 on/);
  await next.end("SIGKILL");
  assert.match(it.says("list"), /^1-2 .* {2}Shared$/m);
});

test("a host shares devices that it is told to, by nickname, too", async (t) => {
  const it = machine(t);
  it.says("nickname set stick 46f4:0001:S2");
  const host = await it.serving(t, "--device", "stick", "--device", "46f4:0001:S1", "--device", "7-1");
  assert.match(host.stdout, /^Sharing 1-2, 2-1 on/);
  assert.match(it.says("list"), /^7-1 .* {2}Shared, not plugged in$/m);
  const { host: state } = JSON.parse(it.says("state")) as {
    host: { devices: { busid: string; because?: string }[]; binds: { device: string; busids: string[] }[] };
  };
  assert.equal(state.devices.find(({ busid }) => busid === "2-1")!.because, "--device stick");
  assert.deepEqual(
    state.binds.map(({ device, busids }) => [device, busids]),
    [
      ["stick", ["2-1"]],
      ["46f4:0001:S1", ["1-2"]],
      ["7-1", []],
    ],
  );
});

test("a rule that binds devices holds at once", async (t) => {
  const it = machine(t);
  const host = await it.serving(t);
  assert.match(host.stdout, /^Sharing nothing yet on tcp/);
  it.says("policy add auto-bind serial=S*");
  assert.match(it.says("list"), /^1-2 .* {2}Shared$[\s\S]*^2-1 .* {2}Shared$/m);
  assert.equal(it.says("bind 1-2"), "1-2 (46f4:0001:S1) is shared from now on.\n");
  const { code, stderr } = it.run("unbind 1-2");
  assert.deepEqual([code, stderr], [0, "usbferry: warning: 1-2 is shared all the same: rule r1.\n"]);
  it.says("policy remove r1");
  assert.match(it.says("list"), /^1-2 .* {2}In use by usb-storage$/m);
});

for (const isServed of [false, true]) {
  const where = isServed ? "by a host" : "without a host";
  test(`what this machine needs itself is bound with --force only, ${where}`, async (t) => {
    const it = machine(t);
    it.tree.disk("1-2", { sda: "8:0", sda1: "8:1" });
    it.tree.mount([{ numbers: "8:1", point: "/" }]);
    if (isServed) await it.serving(t);
    const [busid, loss]: readonly [string, RegExp] = isServed
      ? ["1-3", /1-3 is the last keyboard of this machine: nobody could type here/]
      : [
          "1-2",
          /1-2 holds the file system this machine runs from \(\/\), which would be lost while a guest has it/,
        ];
    const refused = it.refusal(`bind ${busid}`);
    assert.match(refused, loss);
    assert.match(refused, new RegExp(`usbferry bind ${busid} --force\n$`));
    it.says(`bind ${busid} --force`);
    assert.match(it.says("list"), new RegExp(`^${busid} .* {2}Shared$`, "m"));
    assert.match(it.refusal("bind 5-1 --force"), /5-1 is plugged in elsewhere and attached here/);
  });

  test(`devices that are alike are told apart by their ports, with a warning, ${where}`, async (t) => {
    const it = machine(t);
    it.tree.plug({ name: "3-1", devnum: 5, product: "Twin" });
    it.tree.plug({ name: "3-2", devnum: 6, product: "Twin" });
    if (isServed) await it.serving(t);
    const warning =
      "usbferry: warning: 3-1 and 3-2 are alike (46f4:0001) and have no serial number: they are told apart by their " +
      "ports alone. Keep each in the port where it is.\n";
    const bound = it.run("bind 3-2");
    assert.deepEqual(bound, {
      code: 0,
      stdout: "3-2 (46f4:0001 at 3-2) is shared from now on.\n",
      stderr: warning,
    });
    const listed = it.run("list");
    assert.equal(listed.stderr, warning);
    assert.match(listed.stdout, /^3-1 .* {2}In use by usb-storage\n3-2 .* {2}Shared$/m);
    const { warnings } = JSON.parse(it.run("list --json").stdout) as { warnings: string[] };
    assert.equal(`usbferry: warning: ${warnings[0]}\n`, warning);
  });
}

test("a shared device without its node says so, with what to do", (t) => {
  const it = machine(t);
  it.tree.plug({ name: "1-9", devnum: 9, serial: "closed", mode: null });
  const { code, stderr } = it.run("bind 1-9");
  assert.equal(code, 0);
  assert.match(stderr, /^usbferry: warning: 1-9 has no device node: .*001\/009 is missing\. Mount devtmpfs/);
  const listed = it.run("list");
  assert.match(listed.stdout, /^1-9 .* {2}Shared, not accessible$/m);
  assert.match(listed.stderr, /1-9 has no device node/);
});

test("list prints one JSON document of devices, of those that are absent, and of warnings", (t) => {
  const it = machine(t);
  it.says("bind 2-1");
  it.tree.unplug("2-1");
  const { devices, absent, warnings } = JSON.parse(it.says("list --json")) as {
    devices: { busid: string; state: string; device: string; drivers: string[] }[];
    absent: unknown[];
    warnings: string[];
  };
  assert.deepEqual(
    devices.map(({ busid, state, device, drivers }) => [busid, state, device, drivers]),
    [
      ["1-2", "in-use", "Mass storage", ["usb-storage"]],
      ["1-3", "in-use", "Keyboard", ["usbhid"]],
      ["1-4", "in-use", "Hub", ["hub"]],
      ["5-1", "imported", "Unknown", ["usb-storage"]],
    ],
  );
  assert.deepEqual(absent, [
    { by: "bind", device: "46f4:0001:S2", vid: "46f4", pid: "0001", serial: "S2", busids: [] },
  ]);
  assert.deepEqual(warnings, []);
});

test("a machine without USB has nothing to list", (t) => {
  const it = new OneMachine(t);
  assert.equal(it.says("list"), "No device is plugged in, and no host that runs here shares any.\n");
});
