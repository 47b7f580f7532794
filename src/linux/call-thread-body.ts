import { workerData } from "node:worker_threads";
import { CALL_WORDS, CallKind } from "./call-list.ts";
import { CallState, type CallThreadStart, CallWord } from "./call-thread.ts";
import { EventDescriptor } from "./event-descriptor.ts";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** The other side of `CallThread`: it waits in a futex or in a system call, never in its event loop. */

const HIGH = 2 ** 32;

const { block, done } = workerData as CallThreadStart;
const words = new Int32Array(block);
const c = unlessFailed(libc());
const event = unlessFailed(EventDescriptor.of(done));

for (;;) {
  Atomics.wait(words, CallWord.state, CallState.idle);
  if (Atomics.load(words, CallWord.state) === CallState.end) break;
  const end = CallWord.calls + words[CallWord.count]! * CALL_WORDS;
  for (let at: number = CallWord.calls; at < end; at += CALL_WORDS) words[at + 5] = make(at);
  Atomics.store(words, CallWord.state, CallState.idle);
  event.signal();
}

function make(at: number): number {
  const fd = words[at + 1]!;
  const request = words[at + 2]! >>> 0;
  const address = (words[at + 4]! >>> 0) * HIGH + (words[at + 3]! >>> 0);
  const result =
    words[at] === CallKind.ioctl
      ? c.ioctl(fd, request, address)
      : words[at] === CallKind.open
        ? c.open(address, request)
        : c.close(fd);
  return result < 0 ? -c.errno() : result;
}

function unlessFailed<T>(result: T | SystemError): T {
  if (result instanceof SystemError) throw result;
  return result;
}
