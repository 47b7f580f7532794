import { test } from "node:test";
import { onLinux } from "../support/poll-loop.ts";
import { fileProcesses, killManyTimes, lastingProcesses, servedProcesses } from "./kills.ts";

const ROUNDS = 20;

test(
  "a host or a guest that is killed is noticed at once, and gone on with when it is back",
  onLinux,
  (context) => killManyTimes(context, servedProcesses, ROUNDS),
);

test("in memory that outlives both sides each life is another epoch, whoever is killed", onLinux, (context) =>
  killManyTimes(context, lastingProcesses, ROUNDS),
);

test("in memory of a virtual machine a killed host or guest leaves nothing behind", onLinux, (context) =>
  killManyTimes(context, fileProcesses, ROUNDS),
);
