import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { usbferry } from "../../test/support/usbferry.ts";

function hasVhci(): boolean {
  return existsSync("/sys/devices/platform/vhci_hcd.0");
}

/** Commands of the contract that are accepted and not built yet. */
const notBuilt: readonly string[] = [
  "attach tcp:box:3240 zero --auto --direct",
  "attach --listen tcp:3240 --direct",
  "bench",
  "bench tcp:box:3240 zero",
  "list hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838:3240",
  "list wslusb+hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838",
  "serve --gadget zero --listen hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838:3240",
];

for (const line of notBuilt) {
  test(`usbferry ${line}: says that it is not built, and what to do instead`, () => {
    const { code, stdout, stderr } = usbferry(line.split(" "));
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^usbferry: error: .*not built yet[.:].* .+\n$/);
  });
}

/** What nobody may ask for, with the word that names it. */
const wrong: readonly (readonly [line: string, reason: RegExp])[] = [
  ["nonsense", /unknown command 'nonsense'/],
  ["lst", /unknown command 'lst'\n\(Did you mean list\?\)/],
  ["list --jsn", /unknown option '--jsn'\n\(Did you mean --json\?\)/],
  ["list tcp:1 tcp:2", /too many arguments/],
  ["list 3240", /"3240" is no address: .*tcp:3240/],
  ["list tcp:99999", /a port is at most 65535/],
  ["bind", /missing required argument 'DEV'/],
  ["bind nonsense", /"nonsense" is neither a bus id \(1-2\), a VID:PID, .* nor a nickname/],
  ["bind /dev/sda", /"\/dev\/sda" is no device node: .*\/dev\/bus\/usb\/001\/002/],
  ["unbind", /name a DEV, as `usbferry list` lists it, or --all/],
  ["unbind 1-2 --all", /name a DEV, .* or --all/],
  [
    "serve --gadget zero --ring-look 1.5",
    /"1\.5" is no time to look: write whole microseconds, from 0 to 100000/,
  ],
  ["serve --gadget zero --ring-look 100001", /"100001" is no time to look/],
  ["agent --ring-cpu one", /"one" is no processor: write its number/],
  ["attach tcp:box:3240 zero --direct --ring-cpu 0", /--ring-look and --ring-cpu are for the agent/],
  ["serve --device nonsense", /"nonsense" is neither a bus id/],
  ["capture", /missing required argument 'DEV'/],
  ["capture 1-2 --endpoint x", /"x" is no endpoint: write its address, as in 81/],
  ["capture 1-2 --snaplen 63", /a packet is cut to 64 to 262144 bytes/],
  ["capture 1-2 --snaplen all", /It is no whole number/],
  ["capture 1-2 --ring much -o x", /Write bytes, or 64K, 100M, 1G/],
  ["capture 1-2 --ring 1M", /where to\? Name a file with -o FILE/],
  ["capture 1-2 --ring 1M -o -", /with --ring the recording is written when it ends/],
  ["kick", /missing required argument/],
  ["doctor tcp:1 tcp:2", /too many arguments/],
  ["doctor --side client", /argument 'client' is invalid\. Allowed choices are guest, host, both/],
  ["kick zero", /"zero" is neither a PORT, .* nor a SESSION/],
  ["list tcp:1 --control /x", /name a host \(ADDR\) or the control socket of one that runs here, not both/],
  ["state --control nonsense", /"nonsense" is no place for the control API/],
  ["serve --gadget zero --control tls:box:1", /"tls:box:1" is no place for the control API/],
  [
    "serve --gadget zero --control-group no-such-group --control /tmp/usbferry-x.sock",
    /there is no group "no-such-group"/,
  ],
  ["controller --gadget zero", /name where the VMM comes from: --socket-path PATH, or --fd N/],
  ["controller --socket-path /x --fd 3", /--socket-path PATH, or --fd N, and not both/],
  ["controller --fd three", /"three" is no descriptor/],
  ["controller --fd 99", /--fd 99 is no open unix socket \(EBADF\)/],
  ["controller --socket-path /tmp/usbferry-x.sock --gadget nonsense", /there is no gadget "nonsense"/],
  ["controller --socket-path /tmp/usbferry-x.sock --device nonsense", /"nonsense" is neither a bus id/],
  ["controller --socket-path /tmp/usbferry-x.sock --device 1-2@nonsense", /"nonsense" is no address/],
  ["controller --socket-path /tmp/usbferry-x.sock --control tcp:1", /is controlled at a unix socket/],
  ["controller list --control tcp:1", /"tcp:1" is no control socket of a controller/],
  ["controller plug zero", /required option '--control <PATH>' not specified/],
  ["controller plug --control /x", /missing required argument/],
  ["controller pass 1-2", /required option '--hotplug-socket <PATH>' not specified/],
  ["controller pass nonsense --hotplug-socket /x", /"nonsense" is neither a bus id/],
  ["policy add", /missing required argument/],
  ["policy nonsense", /unknown command 'nonsense'/],
  ["policy add permit", /"permit" is no action: a rule begins with allow, deny, auto-bind/],
  ["policy add allow client=box", /the client of a rule is an IP address or network/],
  ["policy add deny --at 0", /"0" is no position/],
  ["policy add deny --at 9", /a position is a whole number from 1 to 1; 9 is not/],
  ["policy move r1 first", /"first" is no position/],
  ["nickname set scanner", /missing required argument 'DEV'/],
  ["nickname set 1-2 1-3", /"1-2" is no nickname: .* bus id/],
  ["nickname set 0525:a4a0 1-3", /"0525:a4a0" is no nickname: .* VID:PID/],
  ["nickname set /dev/bus/usb/001/002 1-3", /is no nickname: .* path/],
  ["nickname set scanner /dev/bus/usb/001/002", /is a file of this machine/],
  ["nickname nonsense", /unknown command 'nonsense'/],
  ["service restart", /unknown command 'restart'/],
  ["attach", /name a host and a device: usbferry attach tcp:/],
  ["attach tcp:3240", /name a host and a device/],
  ["attach 3240 zero", /"3240" is no address/],
  ["attach tcp:3240 /dev/bus/usb/001/002", /is a file of this machine.*usbferry list/],
  ["attach tcp:3240 0525:a4a0:", /a serial number has 1 to 126 characters/],
  ["attach wslusb+tcp:3240 zero --direct", /the kernel speaks USB\/IP alone: .*Leave out --direct/],
  ["attach tcp:3240 zero --listen tcp:3241", /with --listen ADDR only a DEV is named/],
  ["attach --listen nonsense", /"nonsense" is no address/],
  ["attach tcp:3240 --auto", /name a host and a device/],
  ["attach tcp:3240 zero --also 1-2", /--also belongs to --auto: usbferry attach ADDR DEV --auto --also/],
  ["attach tcp:3240 zero --on-attach true", /--on-attach belongs to --auto/],
  ["attach tcp:3240 zero --auto --also /dev/x", /is a file of this machine/],
  ["attach tcp:3240 zero --auto --on-attach ''", /names no program/],
  ["attach zero --listen tcp:3240 --auto", /attach --listen waits again by itself/],
  ["detach w0", /"w0" is no port/],
  ["list ring:file:/dev/shm/vm1,port=/run/x", /is the memory of a virtual machine as its host sees it/],
  ["serve --gadget zero --listen ring:pci:00:05.0", /which listens at ring:file:MEMORY,port=SOCKET/],
  [
    "serve --gadget zero --listen ring:file:/dev/shm/vm1",
    /does not say what the virtual machine is woken by/,
  ],
  ["attach tls:box:3240 zero --direct", /the kernel cannot take over "tls:box:3240": .*Leave out --direct/],
  ["pair", /name the other machine, or --listen for it/],
  ["pair tcp:box:3244 --listen tcp:3244", /name the other machine, or --listen for it/],
  ["pair tls:box:3244", /tls: works once two machines are paired/],
  ["pair tcp:box:3244 --name a/b", /"a\/b" is no name for a machine/],
  ["pair host box", /missing required argument 'HOST'/],
  ["detach", /name a PORT, as `usbferry ports` lists it, or --all/],
  ["detach zero", /"zero" is no port/],
  ["detach 0 --all", /name a PORT or --all, not both/],
  ["agent now", /too many arguments/],
  ["serve --gadget", /option '--gadget <SPEC>' argument missing/],
  ["serve --gadget nonsense", /gadget "nonsense": there is no gadget "nonsense"; there are: zero, keyboard/],
  ["serve --gadget zero,speed=warp", /the option speed of the zero is "warp"; allowed: full\|high\|super/],
  ["serve --gadget zero --listen nonsense", /"nonsense" is no address/],
  ["serve --gadget zero --listen unix:", /the path is missing/],
  ["serve zero", /too many arguments/],
  ["serve --gadget zero --dashboard 8080", /"8080" is no place for the dashboard. Write tcp:PORT/],
  ["serve --gadget zero --dashboard unix:/x", /"unix:\/x" is no place for the dashboard/],
  [
    "serve --gadget zero --dashboard tcp:0.0.0.0:8080",
    /the dashboard is for this machine alone, .*--dashboard tcp:8080 here, and ssh -L 8080:127\.0\.0\.1:8080/,
  ],
  [
    "serve --gadget zero --data-plane thread",
    /argument 'thread' is invalid\. Allowed choices are worker, main/,
  ],
  ["serve --gadget zero --drain soon", /"soon" is no time to drain: write seconds, from 0 to 3600/],
  ["serve --gadget zero --drain 3601", /is no time to drain/],
  ["serve --gadget zero --log-level loud", /"loud" is no log level: .*rooms are daemon, audit/],
  ["gadget list --nonsense", /unknown option '--nonsense'/],
];

for (const [line, reason] of wrong) {
  test(`usbferry ${line}: is wrong usage`, () => {
    const { code, stdout, stderr } = usbferry(line.split(" "));
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^usbferry: error: /);
    assert.match(stderr, reason);
    assert.doesNotMatch(stderr, /\n\s+at /, "a stack reached the user");
  });
}

test("listening beyond this machine is access denied, with a way out", () => {
  const { code, stdout, stderr } = usbferry(["serve", "--gadget", "zero", "--listen", "tcp:0.0.0.0:3240"]);
  assert.deepEqual([code, stdout], [3, ""]);
  assert.match(
    stderr,
    /^usbferry: error: listening on "tcp:0\.0\.0\.0:3240" would offer .* ssh -R 3240:127\.0\.0\.1:3240/,
  );
});

test("waiting for hosts beyond this machine is access denied", () => {
  const { code, stdout, stderr } = usbferry(["attach", "--listen", "tcp:0.0.0.0:3240"]);
  assert.deepEqual([code, stdout], [3, ""]);
  assert.match(
    stderr,
    /^usbferry: error: listening on "tcp:0\.0\.0\.0:3240" would let everyone .* ssh -L 3240:/,
  );
});

for (const [address, who, next] of [
  ["tls:0.0.0.0:3240", "every paired machine", "client=tls:NAME"],
  ["vsock:3240", "every virtual machine of this machine", "client=vsock:3"],
  ["vsock:4:3240", "the virtual machine 4", "client=vsock:4"],
  ["fc-vsock:/run/vm.vsock:3240", "the virtual machine behind it", "link=fc-vsock"],
  ["ring:file:/dev/shm/vm1,port=/run/vm1.port", "the virtual machine behind it", "client=ring:/dev/shm/vm1"],
] as const) {
  test(`serving at ${address} is access denied without a rule, and says which`, () => {
    const { code, stdout, stderr } = usbferry(["serve", "--gadget", "zero", "--listen", address]);
    assert.deepEqual([code, stdout], [3, ""]);
    assert(stderr.includes(`would offer the devices to ${who}`), stderr);
    assert(stderr.includes(`usbferry policy add allow ${next}`), stderr);
  });
}

test("a kernel that takes no devices is told with the next step", { skip: hasVhci() }, () => {
  for (const line of [
    "attach tcp:3240 zero",
    "attach --listen tcp:3240",
    "attach tcp:3240 zero --auto --also 0525:a4a7 --on-detach true",
    "ports",
    "ports --json",
    "detach 0",
    "detach --all",
  ]) {
    const { code, stdout, stderr } = usbferry(line.split(" "));
    assert.deepEqual([code, stdout], [1, ""], line);
    assert.match(stderr, /^usbferry: error: .*vhci_hcd is not loaded. Load it with `sudo modprobe vhci-hcd`/);
  }
});

test("doctor tells a person what stands in the way, why and what to do next, without colours", () => {
  const { code, stdout, stderr } = usbferry(["doctor", "tcp:127.0.0.1:1"]);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(
    stdout,
    /^The way to tcp:127\.0\.0\.1:1\n {2}ok {7}address: .*\n {2}ok {7}route: .*\n {2}PROBLEM {2}connection: tcp:127\.0\.0\.1:1 refuses .*\n {11}why: {2}.*\n {11}next: .*\n/m,
  );
  assert.match(stdout, /\n\n\d+ problems? stands? in the way\.\n$/);
});

test("--version is that of the package", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  assert.deepEqual(usbferry(["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help names every command and the exit codes, on standard output", () => {
  const { code, stdout, stderr } = usbferry(["--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const commands =
    "list bind unbind serve attach agent detach ports controller policy nickname doctor state top capture extcap bench kick pair service gadget completion";
  for (const command of commands.split(" ")) assert.match(stdout, new RegExp(`^  ${command}\\b`, "m"));
  assert.match(stdout, /0 done, 1 failed, 2 wrong usage, 3 access denied, 4 cancelled/);
});

test("without a command the help goes to standard error and the code is 2", () => {
  const { code, stdout, stderr } = usbferry([]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^Usage: usbferry/);
});

for (const command of [
  "serve",
  "list",
  "attach",
  "controller",
  "policy",
  "nickname",
  "agent",
  "doctor",
  "pair",
  "gadget list",
]) {
  test(`usbferry ${command} --help works`, () => {
    const { code, stdout } = usbferry([...command.split(" "), "--help"]);
    assert.equal(code, 0);
    assert(stdout.startsWith(`Usage: usbferry ${command} `));
  });
}

test("gadget list --json is one document with every kind and its options", () => {
  const { code, stdout, stderr } = usbferry(["gadget", "list", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const { kinds } = JSON.parse(stdout) as {
    kinds: { name: string; summary: string; options: { name: string; values: string }[] }[];
  };
  for (const name of ["zero", "keyboard", "mouse", "disk", "audio", "serial"]) {
    const kind = kinds.find((candidate) => candidate.name === name)!;
    const options = new Set(kind.options.map((option) => option.name));
    for (const option of ["speed", "vid", "pid", "serial"]) assert(options.has(option), option);
  }
});

test("gadget list is a table a person can read", () => {
  const { code, stdout } = usbferry(["gadget", "list"]);
  assert.equal(code, 0);
  assert.match(stdout, /^zero: .*usbtest/m);
  assert.match(stdout, /^ {2}speed= +full\|high\|super +bus speed; high by default$/m);
});
