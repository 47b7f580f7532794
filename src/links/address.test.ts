import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressError, parseAddress, printAddress } from "./address.ts";

const right: readonly (readonly [text: string, value: object, printed?: string])[] = [
  ["tcp:3240", { kind: "tcp", host: "127.0.0.1", port: 3240 }, "tcp:127.0.0.1:3240"],
  ["tcp:0", { kind: "tcp", host: "127.0.0.1", port: 0 }, "tcp:127.0.0.1:0"],
  ["tcp:192.0.2.7:80", { kind: "tcp", host: "192.0.2.7", port: 80 }],
  ["tcp:box.example:65535", { kind: "tcp", host: "box.example", port: 65535 }],
  ["tcp:box", { kind: "tcp", host: "box", port: 3240 }, "tcp:box:3240"],
  ["tcp:[::1]:3240", { kind: "tcp", host: "::1", port: 3240 }],
  ["tcp:[fe80::1%eth0]:1", { kind: "tcp", host: "fe80::1%eth0", port: 1 }],
  ["tcp:[::]", { kind: "tcp", host: "::", port: 3240 }, "tcp:[::]:3240"],
  ["tls:box:443", { kind: "tls", host: "box", port: 443 }],
  ["unix:/run/usbferry.sock", { kind: "unix", path: "/run/usbferry.sock" }],
  ["unix:a:b", { kind: "unix", path: "a:b" }],
  ["vsock:3240", { kind: "vsock", port: 3240 }],
  ["vsock:3:0x5553422", { kind: "vsock", cid: 3, port: 89469986 }, "vsock:3:89469986"],
  ["vsock:4294967295:4294967295", { kind: "vsock", cid: 4294967295, port: 4294967295 }],
  [
    "hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838:3240",
    { kind: "hvsocket", vmid: "e0e16197-dd56-4a10-9195-5ee7a155a838", port: 3240 },
  ],
  ["fc-vsock:/run/vm:1.sock:3240", { kind: "fc-vsock", path: "/run/vm:1.sock", port: 3240 }],
  ["ring:/run/ring", { kind: "ring", path: "/run/ring" }],
  ["ring:pci:0000:00:05.0", { kind: "ring-pci", device: "0000:00:05.0" }],
  ["ring:pci:00:05.0", { kind: "ring-pci", device: "00:05.0" }],
  ["ring:pci:00:05.0,port=vm.1", { kind: "ring-pci", device: "00:05.0", waking: { port: "vm.1" } }],
  [
    "ring:pci:00:05.0,wake=vsock:5000",
    { kind: "ring-pci", device: "00:05.0", waking: { wake: { kind: "vsock", port: 5000 } } },
  ],
  [
    "ring:file:/dev/shm/a,port=b,port=/run/vm1.port",
    { kind: "ring-file", path: "/dev/shm/a,port=b", waking: { port: "/run/vm1.port" } },
  ],
  [
    "ring:file:/dev/shm/vm1,wake=tcp:5000",
    {
      kind: "ring-file",
      path: "/dev/shm/vm1",
      waking: { wake: { kind: "tcp", host: "127.0.0.1", port: 5000 } },
    },
    "ring:file:/dev/shm/vm1,wake=tcp:127.0.0.1:5000",
  ],
];

for (const [text, value, printed = text] of right) {
  test(`${text} parses and prints`, () => {
    const address = parseAddress(text);
    assert.deepEqual(address, { ...value, protocol: "usbip" });
    assert(!(address instanceof AddressError));
    assert.equal(printAddress(address), printed);
  });
}

test("wslusb+ chooses the protocol and its default port", () => {
  const address = parseAddress("wslusb+vsock:2:7");
  assert.deepEqual(address, { kind: "vsock", cid: 2, port: 7, protocol: "wslusb" });
  assert(!(address instanceof AddressError));
  assert.equal(printAddress(address), "wslusb+vsock:2:7");
  assert.deepEqual(parseAddress("wslusb+hvsocket:any"), {
    kind: "hvsocket",
    vmid: "any",
    port: 0x5553422,
    protocol: "wslusb",
  });
});

const wrong: readonly (readonly [text: string, reason: RegExp])[] = [
  ["", /does not say what kind/],
  ["3240", /does not say what kind.*tcp:3240/],
  ["box", /does not say what kind/],
  ["udp:1", /"udp" is not a kind of address/],
  ["tcp:", /host and a port/],
  ["tcp::3240", /host and a port/],
  ["tcp:65536", /at most 65535/],
  ["tcp:box:", /number up to 65535/],
  ["tcp:box:x", /number up to 65535/],
  ["tcp:box:-1", /number up to 65535/],
  ["tcp:box:1:2", /number up to 65535/],
  ["tcp:::1:3240", /stands in brackets/],
  ["tcp:[box]:1", /only an IPv6 address/],
  ["tcp:[::1", /brackets/],
  ["tcp:a b:1", /no host/],
  ["unix:", /path is missing/],
  ["vsock:", /context id/],
  ["vsock:4294967296", /context id/],
  ["vsock:1:2:3", /context id/],
  ["hvsocket::1", /VM id/],
  ["fc-vsock:/run/x", /path of the socket and a port/],
  ["ring:", /path is missing/],
  ["ring:pci:zz", /no PCI address/],
  ["ring:pci:00:05.0,port=", /the port is missing/],
  ["ring:pci:00:05.0,wake=nonsense", /"nonsense" wakes nobody/],
  ["ring:pci:00:05.0,wake=tls:box:1", /"tls:box:1" wakes nobody/],
  ["ring:pci:00:05.0,wake=ring:/run/x", /wakes nobody/],
  ["ring:pci:00:05.0,wake=wslusb+tcp:1", /wakes nobody/],
  ["ring:file:/dev/shm/vm1", /does not say what the virtual machine is woken by/],
  ["ring:file:,port=/run/x", /path of the memory is missing/],
  ["wslusb+", /does not say what kind/],
];

for (const [text, reason] of wrong) {
  test(`"${text}" is refused with the reason and an example`, () => {
    const error = parseAddress(text);
    assert(error instanceof AddressError, JSON.stringify(error));
    assert.match(error.message, reason);
    assert(error.message.startsWith(`"${text}" is no address: `));
    assert.match(error.message, /Write for example \w+/);
  });
}

test("the port of WSL-USB is for Hyper-V sockets; TCP has one port for both protocols", () => {
  const tcp = parseAddress("wslusb+tcp:box");
  assert(!(tcp instanceof AddressError) && tcp.kind === "tcp");
  assert.equal(tcp.port, 3240);
});
