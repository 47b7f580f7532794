import assert from "node:assert/strict";
import { test } from "node:test";
import { type Static, Type } from "@sinclair/typebox";
import { type StateKind, StateStore } from "../../src/daemon/state/state-store.ts";
import { type CallName, RecordedDisk, survivors } from "./recorded-disk.ts";

const Schema = Type.Object({ version: Type.Literal(1), count: Type.Integer(), text: Type.String() });
const KIND: StateKind<Static<typeof Schema>> = {
  file: "count.json",
  version: 1,
  schema: Schema,
  empty: { version: 1, count: 0, text: "" },
  check() {},
};
const PATH = "/state/count.json";
const CHANGES = 5;

/** How many system calls there were when a change was asked for, and when it was acknowledged. */
interface Times {
  readonly asked: number[];
  readonly acknowledged: number[];
}

async function changes(disk: RecordedDisk, together: number): Promise<Times> {
  const times: Times = { asked: [], acknowledged: [] };
  const store = await StateStore.open(PATH, KIND, disk);
  for (let done = 0; done < CHANGES; done += together) {
    await Promise.all(
      Array.from({ length: together }, async () => {
        times.asked.push(disk.calls.length);
        await store.change((value) => ({
          ...value,
          count: value.count + 1,
          text: "text that is long enough to be torn ".repeat(value.count),
        }));
        times.acknowledged.push(disk.calls.length);
      }),
    );
  }
  return times;
}

/** What is wrong behind a loss of power between any two calls, or behind the last. */
async function violations(without: CallName | undefined, together: number): Promise<string[]> {
  const disk = new RecordedDisk(new Map(), without);
  const { asked, acknowledged } = await changes(disk, together);
  const found: string[] = [];
  for (let cut = 0; cut <= disk.calls.length; cut++) {
    const least = acknowledged.filter((at) => at <= cut).length;
    const most = asked.filter((at) => at <= cut).length;
    for (const files of survivors(disk.calls.slice(0, cut))) {
      const after = new RecordedDisk(files);
      const store = await StateStore.open(PATH, KIND, after).catch((error: Error) => error);
      if (store instanceof Error) {
        found.push(`cut ${cut}: ${store.message}`);
        continue;
      }
      const { count } = store.value;
      if (count < least || count > most) found.push(`cut ${cut}: ${count}, not ${least} to ${most}`);
      assert.deepEqual(
        after.paths.filter((path) => path !== PATH),
        [],
        "leftovers are removed",
      );
      await store.change((value) => ({ ...value, count: 1_000 }));
      assert.equal((await StateStore.open(PATH, KIND, after)).value.count, 1_000);
    }
  }
  return found;
}

for (const together of [1, CHANGES]) {
  test(`a loss of power at any system call leaves a whole file with all that was acknowledged (${together} at once)`, async () => {
    assert.deepEqual(await violations(undefined, together), []);
  });

  for (const without of ["sync", "syncFolder"] as const) {
    test(`the model finds a store that leaves out ${without} (${together} at once)`, async () => {
      assert.notDeepEqual(await violations(without, together), []);
    });
  }
}

test("changes that wait for the disk together are one write", async () => {
  const disk = new RecordedDisk();
  await changes(disk, CHANGES);
  assert.deepEqual(
    disk.calls.map(({ call }) => call),
    ["create", "write", "sync", "rename", "syncFolder"],
  );
});
