import type { Case } from "../case.ts";
import { type Contender, LIBUV, RunningContender } from "../contender.ts";
import { pinnings } from "../pinning.ts";
import { noTimes, type Question } from "./question.ts";

const UNCOUNTED: Contender = {
  ...LIBUV,
  name: "usbferry without counters",
  argv: [LIBUV.argv[0]!, LIBUV.argv[1]!.replace("host.js", "host-uncounted.js")],
};

/** The counters of a session: two hosts, one with them and one without. */
export const COUNTERS: Question = {
  name: "counters",
  cases: [
    { direction: "in", size: 512, depth: 32 },
    { direction: "in", size: 512, depth: 1 },
  ] satisfies Case[],
  async start(one, client, measureMs) {
    const pinning = pinnings()[0]!;
    const without = await RunningContender.start(UNCOUNTED, pinning.server);
    const withIt = await RunningContender.start(LIBUV, pinning.server);
    return {
      async measure(isWith) {
        const server = isWith ? withIt : without;
        const before = server.cpuUs;
        const { urbs } = await client.run(
          server.port,
          one,
          { warmMs: 0, measureMs, urbs: 0 },
          pinning.client,
        );
        const after = server.cpuUs;
        if (before === undefined || after === undefined) throw noTimes();
        return { "the whole process": (after - before) / urbs };
      },
      async stop() {
        await Promise.all([without.stop(), withIt.stop()]);
      },
    };
  },
};
