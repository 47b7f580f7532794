import assert from "node:assert/strict";
import { test } from "node:test";
import { createGadget } from "../gadgets/catalog.ts";
import { ExportTable } from "./export-table.ts";

const device = createGadget({ kind: "keyboard", speed: 2 });

test("bus ids are the kind, then the kind with a number", () => {
  const table = new ExportTable();
  const busids = ["zero", "keyboard", "zero", "zero"].map((kind) => table.add(kind, device).busid);
  assert.deepEqual(busids, ["zero", "keyboard", "zero-2", "zero-3"]);
  assert.equal(table.find("zero-2")?.busid, "zero-2");
  assert.equal(table.find("zero-4"), undefined);
});

test("busnum and devnum stay within 1..255 and are unique together", () => {
  const table = new ExportTable();
  const seen = new Set<string>();
  for (let i = 0; i < 600; i++) {
    const { busnum, devnum } = table.add("zero", device);
    for (const number of [busnum, devnum]) assert(number >= 1 && number <= 255, `${number}`);
    seen.add(`${busnum}/${devnum}`);
  }
  assert.equal(seen.size, 600);
});
