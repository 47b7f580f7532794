import { WrongUsage } from "./failure.ts";

/** Where a line of the log comes from. */
export const LOG_ROOMS = ["daemon", "audit", "rules", "usbip", "links", "gadgets", "hardware"] as const;
export type LogRoom = (typeof LOG_ROOMS)[number];

/** From the most to the least that is told. */
export const LOG_LEVELS = ["debug", "info", "warn", "off"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What each room tells; `default` is for those that are not named. */
export type LogLevels = Readonly<Partial<Record<LogRoom | "default", LogLevel>>>;

/** The audit stays unless it is named itself: who has devices must not go away with a quiet log. */
export function levelOf(levels: LogLevels, room: LogRoom): LogLevel {
  return levels[room] ?? (room === "audit" ? "info" : (levels.default ?? "info"));
}

/** Reads `LEVEL` or `ROOM=LEVEL`, separated by commas; throws WrongUsage. */
export function parseLogLevels(text: string): LogLevels {
  const levels: Partial<Record<LogRoom | "default", LogLevel>> = {};
  for (const part of text.split(",")) {
    const [, name, word] = /^(?:([a-z]+)=)?([a-z]+)$/.exec(part.trim()) ?? [];
    const room = name === undefined ? "default" : LOG_ROOMS.find((known) => known === name);
    const level = LOG_LEVELS.find((known) => known === word);
    if (room === undefined || level === undefined) {
      throw new WrongUsage(
        `"${part}" is no log level: write LEVEL or ROOM=LEVEL, separated by commas, as in info,rules=debug. Levels are ` +
          `${LOG_LEVELS.join(", ")}; rooms are ${LOG_ROOMS.join(", ")}.`,
      );
    }
    levels[room] = level;
  }
  return levels;
}
