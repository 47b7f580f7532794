import assert from "node:assert/strict";
import { test } from "node:test";
import { Failed } from "../failure.ts";
import { printRule } from "../rules/rule.ts";
import { ConfigurationFile } from "./configuration.ts";

const read = (text: string) => ConfigurationFile.parse(text, "/etc/usbferry.yaml");

test("reads what stands there, and nothing else is set", () => {
  const { configuration } = read(`
    listen: [tcp:3240, unix:/run/usbferry.sock]
    gadgets:
      - zero
      - disk,size=64M   # a comment
    rules:
      - allow client=192.168.7.0/24 link=tcp
      - deny
    log: { default: warn, rules: debug, usbip: off }
    drain: 0.5
  `);
  const { rules, ...rest } = configuration;
  assert.deepEqual(rest, {
    listen: ["tcp:3240", "unix:/run/usbferry.sock"],
    gadgets: ["zero", "disk,size=64M"],
    log: { default: "warn", rules: "debug", usbip: "off" },
    drain: 0.5,
  });
  assert.deepEqual(rules.map(printRule), ["allow client=192.168.7.0/24 link=tcp", "deny"]);
});

for (const text of ["", "\n\n", "# nothing yet\n", "{}"]) {
  test(`${JSON.stringify(text)} says nothing, which is allowed`, () => {
    assert.deepEqual(read(text).configuration, { log: {}, rules: [] });
  });
}

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ["listen: tcp:3240", /line 1, key "listen": expected a list of addresses, as in .*, found "tcp:3240"/],
  ["gadgets:\n  - zero\n  - 7", /line 3, key "gadgets\[1\]": expected a gadget such as .*, found 7/],
  ["\n\nlisten:\n  - [tcp]", /line 4, key "listen\[0\]": expected an address/],
  [
    "gadget: [zero]",
    /line 1, key "gadget": there is no such key; the keys here are listen, connect, gadgets, devices, rules/,
  ],
  ["log: loud", /line 1, key "log": expected levels by room/],
  ["log:\n  usbip: loud", /line 2, key "log\.usbip": expected one of debug, info, warn, off, found "loud"/],
  [
    "log:\n  kitchen: info",
    /line 2, key "log\.kitchen": there is no such key; the keys here are default, daemon/,
  ],
  ["rules:\n  - allow\n  - permit", /line 3, key "rules\[1\]": "permit" is no action/],
  ["drain: 4000", /line 1, key "drain": expected a number of seconds from 0 to 3600, found 4000/],
  ["drain: -1", /expected a number of seconds/],
  ["state: ''", /key "state": expected a folder/],
  ["control: { sockt: /x }", /key "control\.sockt": there is no such key; the keys here are socket, group/],
  ["- listen", /line 1: expected keys and values/],
  ["listen: [tcp:3240", /line 1: Flow sequence/],
  ["listen: []\nlisten: []", /line 2: Map keys must be unique/],
  ["listen: &a [tcp:1]\nconnect: *a", /: aliases \(\*NAME\) are not taken here/],
  ["\t- x", /line 1: /],
  ["listen: &x [*x]", /: aliases \(\*NAME\) are not taken here/],
  ["__proto__: { listen: [] }", /key "__proto__": there is no such key/],
  [`listen: ${"[".repeat(3_000)}`, /line 1/],
];

for (const [text, message] of wrong) {
  test(`${JSON.stringify(text.slice(0, 60))} is refused by file, line and key`, () => {
    assert.throws(
      () => read(text),
      (error) => {
        assert(error instanceof Failed, String(error));
        assert.match(error.message, /^\/etc\/usbferry\.yaml/);
        assert.match(error.message, message);
        assert.match(error.message, /docs\/configuration\.md shows what can be written there\.$/);
        return true;
      },
    );
  });
}

test("a file that is not there is a failure that says what to do", () => {
  assert.throws(
    () => ConfigurationFile.read("/nonexistent/x.yaml"),
    /cannot be read: .*ENOENT.*Check its name/,
  );
});
