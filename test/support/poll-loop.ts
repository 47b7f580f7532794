import assert from "node:assert/strict";
import { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { socketPair } from "../../src/linux/socket-pair.ts";
import { SystemError } from "../../src/linux/system-error.ts";

/** For tests of what there is on Linux alone. */
export const onLinux = { skip: process.platform !== "linux" };

export function openPollLoop(): PollLoop {
  const loop = PollLoop.open();
  assert(loop instanceof PollLoop);
  return loop;
}

/** Descriptors of two connected sockets; the caller closes them. */
export function openPair(): readonly [number, number] {
  const fds = socketPair();
  assert(!(fds instanceof SystemError));
  return fds;
}

/** Gives a loop its turns until nothing was asked for during 20 ms; tells how many it took. */
export function settle(loop: PollLoop): number {
  const quiet = new AbortController();
  loop.after(20, () => quiet.abort());
  let turns = 0;
  for (; !quiet.signal.aborted; turns++) loop.turn(25);
  return turns;
}
