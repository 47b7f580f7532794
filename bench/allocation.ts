import type { Case } from "./case.ts";
import { type Contender, RunningContender } from "./contender.ts";
import type { LoadClient } from "./load.ts";

/** What a server allocates for a transfer, and how often its collector runs in a million of them. */
export interface Allocation {
  readonly contender: string;
  readonly case: Case;
  readonly urbs: number;
  /** In a process whose young generation takes everything; nothing if a collection ran nevertheless. */
  readonly bytesPerUrb: number | undefined;
  /** In a process as users run it. */
  readonly collections: number;
}

const URBS = 1_000_000;
/** So few that a young generation of `ROOMY` takes 5 KB of each. */
const ROOMY_URBS = 100_000;
const WARM_MS = 500;
/** Ends before that only on a machine that is far too slow for a verdict. */
const MEASURE_MS = 50_000;
const ROOMY = ["--max-semi-space-size=512", "--min-semi-space-size=512"];

export async function measureAllocation(
  contender: Contender,
  one: Case,
  client: LoadClient,
  cpu: number | undefined,
): Promise<Allocation> {
  const usual = await play(contender, one, client, cpu, URBS);
  const [program, ...rest] = contender.argv;
  const enlarged = { ...contender, argv: [program!, ...ROOMY, ...rest] };
  const roomy = await play(enlarged, one, client, cpu, ROOMY_URBS);
  return {
    contender: contender.name,
    case: one,
    urbs: usual.urbs,
    bytesPerUrb: roomy.collections > 0 ? undefined : roomy.bytes / roomy.urbs,
    collections: usual.collections,
  };
}

async function play(
  contender: Contender,
  one: Case,
  client: LoadClient,
  cpu: number | undefined,
  count: number,
) {
  const server = await RunningContender.start(contender, cpu);
  try {
    await client.run(server.port, one, { warmMs: WARM_MS, measureMs: WARM_MS, urbs: 0 }, cpu);
    const before = await server.memory();
    const { urbs } = await client.run(
      server.port,
      one,
      { warmMs: 0, measureMs: MEASURE_MS, urbs: count },
      cpu,
    );
    const after = await server.memory();
    return { urbs, bytes: after!.used - before!.used, collections: after!.collections };
  } finally {
    await server.stop();
  }
}
