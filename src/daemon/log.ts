import { createRequire } from "node:module";
import { pino } from "pino";
import type { PinoPretty } from "pino-pretty";

/** Where sessions and the host report. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Of lines that the reader of the log has not taken; what comes beyond is lost. */
const UNREAD_BYTES = 1 << 20;

/** Lines for people on a terminal, one JSON document per line otherwise; both on standard error. */
export function openLog(colours: boolean): Log {
  // Not in step with the reader: one that does not read must not stop the devices.
  const destination = pino.destination({ fd: 2, sync: false, maxLength: UNREAD_BYTES });
  // Nor one that has gone away.
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
