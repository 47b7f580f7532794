import assert from "node:assert/strict";
import { test } from "node:test";
import { createUrb } from "../usb/urb.ts";
import { SubmissionSet, SubmissionTable } from "./submission.ts";

test("submissions of a device are told as they came, whichever have left", () => {
  const table = new SubmissionTable();
  const set = new SubmissionSet();
  const all = Array.from({ length: 6 }, (_, tag) => {
    const submission = table.take()!;
    submission.urb = createUrb(tag);
    set.add(submission);
    return submission;
  });
  for (const tag of [1, 5, 0]) set.remove(all[tag]!);
  set.add(all[1]!);
  const tags = (): number[] => set.inOrder().map(({ urb }) => urb!.tag);
  assert.deepEqual(tags(), [2, 3, 4, 1]);
  assert.equal(set.length, 4);
  assert.equal(set.find(all[4]!.urb!), all[4]);
  assert.equal(set.find(all[5]!.urb!), undefined);
  for (const tag of [4, 2, 1, 3]) set.remove(all[tag]!);
  assert.deepEqual(tags(), []);
});
