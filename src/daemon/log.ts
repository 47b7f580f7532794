import { createRequire } from "node:module";
import { type Logger, pino } from "pino";
import type { PinoPretty } from "pino-pretty";
import { LOG_ROOMS, type LogLevel, type LogLevels, type LogRoom, levelOf } from "./log-levels.ts";

/** Where sessions and the host report. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** One room of a log, with what only those want to know who look for a mistake. */
export interface RoomLog extends Log {
  debug(fields: object, message: string): void;
  isLevelEnabled(level: "debug"): boolean;
}

/** Of lines that the reader of the log has not taken; what comes beyond is lost. */
const UNREAD_BYTES = 1 << 20;

/** Lines for people on a terminal, one JSON document per line otherwise; both on standard error. */
export function openLog(colours: boolean): Log {
  return openLogger(colours);
}

/** The log of a program with many rooms, each of which tells as much as it is asked for. */
export class RoomLogs {
  readonly #rooms: ReadonlyMap<LogRoom, Logger>;

  constructor(colours: boolean, levels: LogLevels = {}) {
    const root = openLogger(colours);
    this.#rooms = new Map(LOG_ROOMS.map((room) => [room, root.child({ room })]));
    this.level(levels);
  }

  room(name: LogRoom): RoomLog {
    return this.#rooms.get(name)!;
  }

  /** From the next line on. */
  level(levels: LogLevels): void {
    for (const [room, logger] of this.#rooms) logger.level = pinoLevel(levelOf(levels, room));
  }
}

function pinoLevel(level: LogLevel): string {
  return level === "off" ? "silent" : level;
}

function openLogger(colours: boolean): Logger {
  // Not in step with the reader: one that does not read must not stop the devices.
  const destination = pino.destination({ fd: 2, sync: false, maxLength: UNREAD_BYTES });
  // Nor one that has gone away.
  destination.on("error", () => {});
  // A room may tell more than others: what reaches this level is for each of them to say.
  const options = { base: null, level: "debug" };
  if (!process.stderr.isTTY) {
    return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  }
  // A third of what the program loads, for a terminal alone.
  const pretty = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  return pino(
    options,
    pretty({ colorize: colours, hideObject: true, translateTime: "SYS:HH:MM:ss", destination }),
  );
}
