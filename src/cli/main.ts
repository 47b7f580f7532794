#!/usr/bin/env node
import { CommanderError } from "commander";
import { failureKind } from "../daemon/failure.ts";
import { Cancelled, hungUp, interruption } from "./cancelled.ts";
import { ExitCode } from "./exit-code.ts";
import { program } from "./program.ts";

const { USBFERRY_DEBUG } = process.env;

function tell(line: string): void {
  process.stderr.write(`usbferry: error: ${line}\n`);
}

function tellDefect(error: unknown): void {
  tell(
    `${error instanceof Error ? error.message : String(error)}. This is a defect of usbferry: run it again with ` +
      "USBFERRY_DEBUG=1 and report what it prints.",
  );
}

/** Tells a person what went wrong and a script by which kind of failure. */
function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    // Commander has told already. Help and version that were asked for are its only successes.
    return error.exitCode === 0 ? ExitCode.done : ExitCode.wrongUsage;
  }
  if (USBFERRY_DEBUG === "1" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (error instanceof Cancelled) return ExitCode.cancelled;
  switch (failureKind(error)) {
    case "wrong usage":
      tell((error as Error).message);
      return ExitCode.wrongUsage;
    case "access denied":
      tell((error as Error).message);
      return ExitCode.accessDenied;
    case "failed":
      tell((error as Error).message);
      return ExitCode.failed;
    case "defect":
      tellDefect(error);
      return ExitCode.failed;
  }
}

// A reader that has had enough (`| head`) is no failure, and a host goes on serving without it.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") return;
    tell(`what is printed cannot be written: ${error.message}. Give the output another place.`);
    process.exitCode = ExitCode.failed;
  });
}
process.on("uncaughtException", (error) => process.exit(report(error)));

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (signal === "SIGHUP" && hungUp()) return;
    // Who asks a second time does not want to wait for the first answer.
    if (interruption.signal.aborted) process.exit(ExitCode.cancelled);
    interruption.abort();
  });
}

try {
  await (await program(process.argv.slice(2))).parseAsync();
} catch (error) {
  process.exitCode = report(error);
  // What was cancelled may still hold the event loop.
  if (error instanceof Cancelled) process.exit();
}
