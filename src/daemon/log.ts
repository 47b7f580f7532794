import { pino } from "pino";
import pretty from "pino-pretty";

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
  return pino(
    { base: null },
    pretty({ colorize: colours, hideObject: true, translateTime: "SYS:HH:MM:ss", destination }),
  );
}
