import { test } from "node:test";
import { crowd } from "./crowd.ts";

test("1,000 clients, half of them stuck, cost bounded memory and nobody else's answers", (context) =>
  crowd(context, 1_000, 100));
