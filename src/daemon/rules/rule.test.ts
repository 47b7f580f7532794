import assert from "node:assert/strict";
import { test } from "node:test";
import { joinWords, parseRule, printRule, RuleError } from "./rule.ts";

/** What is written, and how it is printed where that differs. */
const texts: readonly (readonly [text: string, printed?: string])[] = [
  ["allow"],
  ["deny link=tcp"],
  ["allow device=0781:5581 serial=4C53* client=192.168.7.0/24 link=tcp"],
  ["  allow  link=tcp\tdevice=0781:5581 ", "allow device=0781:5581 link=tcp"],
  ["allow 0525:a4a0", "allow device=0525:a4a0"],
  ["allow device=0525:A4*", "allow device=0525:a4*"],
  ["allow device=0525:*"],
  ['allow serial="My Disk \\"7\\" *"'],
  ['allow serial="plain"', "allow serial=plain"],
  ["allow busid=1-2.*"],
  ["deny class=08"],
  ["deny class=0x08", "deny class=08"],
  ["deny class=03:01:02"],
  ["deny class=mass-storage"],
  ['deny class="Mass storage"', "deny class=mass-storage"],
  ["deny class=Keyboard", "deny class=keyboard"],
  ["allow client=uid:1000 link=unix"],
  ["allow client=vsock:3"],
  ["allow client=ring:/dev/shm/vm*"],
  ["allow client=10.1.2.3"],
  ["allow client=FD00::/8", "allow client=fd00::/8"],
  ["auto-bind class=mass-storage"],
];

for (const [text, printed = text] of texts) {
  test(`${text} is a rule, and printed as it is read`, () => {
    const rule = parseRule(text);
    assert(!(rule instanceof RuleError), JSON.stringify(rule));
    assert.equal(printRule(rule), printed);
    assert.deepEqual(printRule(parseRule(printed) as typeof rule), printed);
  });
}

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /"" is no action: a rule begins with allow, deny, auto-bind/],
  ["permit", /"permit" is no action/],
  [
    "allow everything",
    /"everything" is no condition: write KEY=VALUE, where KEY is one of device, serial, busid/,
  ],
  ["allow vid=0781", /"vid=0781" is no condition/],
  ["allow __proto__=1", /is no condition/],
  ["allow =", /"=" is no condition/],
  ["allow device=781:5581", /the device of a rule is VID:PID, as in 0781:5581.*"781:5581" is not/],
  ["allow device=*:5581", /the device of a rule/],
  ["allow device=0781:55812", /the device of a rule/],
  ["allow serial=", /the serial of a rule is a serial number/],
  ["allow class=nonsense", /the class of a rule is a class code such as 08 .* mass-storage.*keyboard/],
  ["allow class=03:01:02:04", /the class of a rule/],
  ["allow client=192.168.7.0/33", /the client of a rule is an IP address or network/],
  ["allow client=192.168.7", /the client of a rule/],
  ["allow client=fd00::/129", /the client of a rule/],
  ["allow client=box", /the client of a rule/],
  ["allow client=uid:4294967296", /the client of a rule/],
  ["allow link=serial", /the link of a rule is one of tcp, tls, unix/],
  ["allow link=tcp link=unix", /link stands there twice/],
  ["auto-bind link=tcp", /an auto-bind rule is about devices alone, and link is about the client/],
  ['allow serial="x', /a quote without its end/],
  [`allow serial=${"x".repeat(1_100)}`, /at most 1024 characters/],
];

for (const [text, message] of wrong) {
  test(`${text.slice(0, 60)} is no rule`, () => {
    const error = parseRule(text);
    assert(error instanceof RuleError);
    assert.match(error.message, message);
  });
}

test("words that a shell has cut are the rule they were", () => {
  assert.equal(joinWords(["allow", "serial=My Disk", "link=tcp"]), 'allow serial="My Disk" link=tcp');
  assert.equal(joinWords(["allow link=tcp"]), "allow link=tcp");
});
