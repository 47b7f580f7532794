import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CERTIFICATE_REFUSALS } from "../../src/links/certificate.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, "utf8");

/** Members of the unions of string literals in these files, which exist for the compiler only. */
function codesOf(...paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    Array.from(read(path).matchAll(/^ {2}\| "([A-Z_]+)"/gm), (match) => match[1]!),
  );
}

/** Of lines that are no end of a session. */
const OTHERS = [
  ...CERTIFICATE_REFUSALS,
  "TLS_FAILED",
  "TRUST_UNREADABLE",
  "IMPORTED",
  "ATTACHED",
  "NOT_ATTACHED",
  "DIAL_FAILED",
  "TOO_MANY_CONNECTIONS",
  "REFUSED",
  "DECIDED",
  "RELOADED",
  "RELOAD_REFUSED",
  "SHARED",
  "SOCKET_UNUSED",
  "UNSHARED",
  "NOT_SHARED",
  "PLUGGED",
  "NOT_PLUGGED",
  "VM_CONNECTED",
  "VM_GONE",
  "VM_REFUSED",
  "REPAIRED",
  "NOT_REPAIRED",
  "USBFS_MEMORY",
  "LIBUSB_MEMORY",
  "HARDWARE_UNKNOWN",
  "STATE_FOLLOWED",
  "STATE_NOT_KEPT",
  "STATE_DAMAGED",
  "STORE_FAILED",
  "WISH_TAKEN_UP",
  "WISH_NOT_TAKEN_UP",
  "HOST_WATCHED",
  "EVENTS_NOT_PUSHED",
  "HOST_UNREACHABLE",
  "PORT_TAKEN",
  "HOOK_RAN",
  "HOOK_OUTPUT",
  "HOOK_FAILED",
  "HOOK_SKIPPED",
];

test("every code that a log line, an event or the control API can carry is a heading of docs/errors.md", () => {
  const headings = Array.from(read("docs/errors.md").matchAll(/^### ([A-Z_]+)$/gm), (match) => match[1]!);
  const codes = codesOf(
    "src/wire/protocol-error.ts",
    "src/daemon/session-end.ts",
    "src/usbip/server.ts",
    "src/daemon/api/refusal.ts",
  );
  assert.ok(codes.includes("TRUNCATED") && codes.includes("LINK_LOST"));
  assert.deepEqual(headings.toSorted(), Array.from(new Set([...codes, ...OTHERS])).toSorted());
});
