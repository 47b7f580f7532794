import { test } from "node:test";
import { killManyTimes } from "./kills.ts";

test("a host that is killed at any moment leaves whole rules with all that it acknowledged: 200 times", (context) =>
  killManyTimes(context, 200));
