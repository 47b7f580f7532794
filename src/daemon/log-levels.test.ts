import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongUsage } from "./failure.ts";
import { LOG_ROOMS, levelOf, parseLogLevels } from "./log-levels.ts";

const levels = (text: string): string => {
  const read = parseLogLevels(text);
  return LOG_ROOMS.map((room) => `${room}=${levelOf(read, room)}`).join(" ");
};

test("each room tells as much as it is asked for, and the audit all unless it is named", () => {
  assert.equal(
    levels("info"),
    "daemon=info audit=info rules=info usbip=info links=info gadgets=info hardware=info",
  );
  assert.equal(
    levels("warn, rules=debug"),
    "daemon=warn audit=info rules=debug usbip=warn links=warn gadgets=warn hardware=warn",
  );
  assert.equal(
    levels("off,audit=off"),
    "daemon=off audit=off rules=off usbip=off links=off gadgets=off hardware=off",
  );
  assert.equal(
    levels("usbip=off"),
    "daemon=info audit=info rules=info usbip=off links=info gadgets=info hardware=info",
  );
});

for (const text of ["", "loud", "rules=loud", "kitchen=info", "info,", "info;warn", "default=info"]) {
  test(`"${text}" is no log level`, () => {
    assert.throws(
      () => parseLogLevels(text),
      (error) =>
        error instanceof WrongUsage && /Levels are debug, info.*rooms are daemon, audit/.test(error.message),
    );
  });
}
