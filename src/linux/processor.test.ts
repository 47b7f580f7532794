import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { onLinux } from "../../test/support/poll-loop.ts";
import { allowedProcessors, allowProcessors, yieldProcessor } from "./processor.ts";
import { SystemError } from "./system-error.ts";

const room = JSON.stringify(new URL("./processor.js", import.meta.url).href);

test("a pinned thread may run on that processor alone, and others stay as they are", onLinux, async () => {
  const before = allowedProcessors();
  assert(!(before instanceof SystemError));
  const last = before.at(-1)!;
  const script = `
    import(${room}).then(({ allowedProcessors, allowProcessors, yieldProcessor }) => {
      const { parentPort } = require("node:worker_threads");
      const pinned = [allowProcessors([${last}]), allowedProcessors(), yieldProcessor()];
      parentPort.postMessage([...pinned, allowProcessors(${JSON.stringify(before)}), allowedProcessors()]);
    });
  `;
  const worker = new Worker(script, { eval: true });
  const answer = await new Promise((resolve) => worker.once("message", resolve));
  await worker.terminate();
  assert.deepEqual(answer, [undefined, [last], undefined, undefined, before]);
  assert.deepEqual(allowedProcessors(), before);
});

test("a processor that there is not is refused by its number", onLinux, () => {
  for (const cpu of [1_023, 1_024, -1, 0.5]) {
    const refused = allowProcessors([cpu]);
    assert(refused instanceof SystemError, String(cpu));
    assert.deepEqual([refused.code, refused.call], ["EINVAL", `sched_setaffinity to processor ${cpu}`]);
  }
  assert.equal(yieldProcessor(), undefined);
});
