import type { Case } from "../case.ts";
import { type Contender, LIBUV, RunningContender, WORKER } from "../contender.ts";
import { pinnings } from "../pinning.ts";
import { noTimes, type Question } from "./question.ts";

const UNCOUNTED = new URL("../contenders/uncounted.js", import.meta.url).href;

/** The same host, whose threads do not count. */
function uncounted({ argv: [node, ...words], ...contender }: Contender): Contender {
  const name = `${contender.name} without counters`;
  return { ...contender, name, argv: [node!, "--import", UNCOUNTED, ...words] };
}

/** The counters of a session, on the event loop and on the data-plane worker: hosts with them and hosts without. */
export const COUNTERS: Question = {
  name: "counters",
  cases: [
    { direction: "in", size: 512, depth: 32 },
    { direction: "in", size: 512, depth: 1 },
  ] satisfies Case[],
  async start(one, client, measureMs) {
    const pinning = pinnings()[0]!;
    const hosts = process.platform === "linux" ? [LIBUV, WORKER] : [LIBUV];
    const pairs = await Promise.all(
      hosts.map(async (contender) => ({
        of: contender.name,
        without: await RunningContender.start(uncounted(contender), pinning.server),
        withIt: await RunningContender.start(contender, pinning.server),
      })),
    );
    return {
      async measure(isWith) {
        const costs: Record<string, number> = {};
        for (const { of, without, withIt } of pairs) {
          const server = isWith ? withIt : without;
          const before = server.cpuUs;
          const times = { warmMs: 0, measureMs, urbs: 0 };
          // One after the other: two at a time would measure each other.
          // oxlint-disable-next-line no-await-in-loop
          const { urbs } = await client.run(server.port, one, times, pinning.client);
          const after = server.cpuUs;
          if (before === undefined || after === undefined) throw noTimes();
          costs[of] = (after - before) / urbs;
        }
        return costs;
      },
      async stop() {
        await Promise.all(pairs.flatMap(({ without, withIt }) => [without.stop(), withIt.stop()]));
      },
    };
  },
};
