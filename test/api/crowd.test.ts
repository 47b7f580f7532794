import { test } from "node:test";
import { crowd } from "./crowd.ts";

test("200 clients, half of them stuck, cost bounded memory and nobody else's answers", (context) =>
  crowd(context, 200, 10));
