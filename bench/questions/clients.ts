import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RunningContender, serving } from "../contender.ts";
import { Crowd } from "../crowd.ts";
import { pinnings } from "../pinning.ts";
import { noTimes, type Question } from "./question.ts";

const CLIENTS = 1_000;
/** Coming and going of the crowd is not what is measured. */
const SETTLE_MS = 1_000;

/** A crowd at the control API: one host, with the crowd and without it in turn. */
export const CLIENTS_OF_API: Question = {
  name: "clients",
  cases: [{ direction: "in", size: 512, depth: 32 }],
  async start(one, client, measureMs) {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
    const pinning = pinnings()[0]!;
    // The crowd is to take nothing from the processor of the server.
    const crowdCpu = pinnings().at(-1)!.server;
    const server = await RunningContender.start(serving(folder), pinning.server);
    const times = { warmMs: 0, measureMs, urbs: 0 };
    const threadTimes = async () => {
      await sleep(SETTLE_MS);
      const before = server.threadUs;
      const { urbs } = await client.run(server.port, one, times, pinning.client);
      const after = server.threadUs;
      if (before === undefined || after === undefined) throw noTimes();
      return new Map(
        Array.from(after, ([thread, us]) => [thread, (us - (before.get(thread) ?? 0)) / urbs] as const),
      );
    };
    // Not every Node gives its threads names: while nobody asks, the one that carries URBs is the one that works.
    const [carrier] = Array.from(await threadTimes()).toSorted(([, a], [, b]) => b - a)[0]!;
    const measureOnce = async () => {
      const costs = await threadTimes();
      return {
        "the thread that carries URBs": costs.get(carrier)!,
        "the whole process": Array.from(costs.values()).reduce((sum, us) => sum + us, 0),
      };
    };
    return {
      async measure(isWith) {
        if (!isWith) return measureOnce();
        const crowd = await Crowd.gather(join(folder, "serve.sock"), CLIENTS, crowdCpu);
        try {
          const costs = await measureOnce();
          await crowd.mustBeWhole();
          return costs;
        } finally {
          await crowd.leave();
        }
      },
      async stop() {
        await server.stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};
