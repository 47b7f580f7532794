import { test } from "node:test";
import { onLinux } from "../support/poll-loop.ts";
import { fileProcesses, killManyTimes, lastingProcesses, servedProcesses } from "./kills.ts";

const ROUNDS = 200;

test("200 kills of a host or a guest, in memory of each connection", onLinux, (context) =>
  killManyTimes(context, servedProcesses, ROUNDS),
);

test("200 kills of a host or a guest, in memory that outlives both", onLinux, (context) =>
  killManyTimes(context, lastingProcesses, ROUNDS),
);

test("200 kills of a host or a guest, in memory of a virtual machine", onLinux, (context) =>
  killManyTimes(context, fileProcesses, ROUNDS),
);
