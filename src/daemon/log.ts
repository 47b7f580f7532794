import { createRequire } from "node:module";
import { pino } from "pino";
import type { PinoPretty } from "pino-pretty";

/** Where sessions and the host report. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Lines for people on a terminal, one JSON document per line otherwise; both on standard error. */
export function openLog(colours: boolean): Log {
  const destination = pino.destination({ fd: 2, sync: true });
  // A reader of the log that has gone away must not stop the devices.
  destination.on("error", () => {});
  if (!process.stderr.isTTY)
    return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  // A third of what the program loads, for a terminal alone.
  const pretty = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  return pino(
    { base: null },
    pretty({ colorize: colours, hideObject: true, translateTime: "SYS:HH:MM:ss", destination }),
  );
}
