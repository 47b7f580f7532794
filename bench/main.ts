import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Allocation, measureAllocation } from "./allocation.ts";
import { cases, isNamed } from "./case.ts";
import { compareQuestions } from "./comparison.ts";
import { compile } from "./compile.ts";
import { type Contender, ECHO, LIBUV, reference, WORKER } from "./contender.ts";
import { measureController } from "./controller.ts";
import { measureDevices } from "./devices.ts";
import { measureLinks } from "./links.ts";
import { LoadClient } from "./load.ts";
import { describeMachine } from "./machine.ts";
import { pinnings } from "./pinning.ts";
import { COUNTERS } from "./questions/counters.ts";
import { printReport } from "./report.ts";
import { measureRing } from "./ring.ts";
import { type Figures, playRounds } from "./rounds.ts";

/** With fewer the interval is told too narrow. */
const PAIRS = 20;

const HELP = `Usage: npm run bench -- [links | devices | ring | controller | disk | counters] [options]

How fast the host is on this machine, over TCP on loopback, beside a C program that does the same work and
beside a raw echo of Node. With "links": the same host over each link of this machine (tcp, unix, vsock, tls) and each
protocol (usbip, wslusb), one table. With "devices": how long a keyboard takes to answer while another device of the
same connection moves all it can. With "ring": reads over shared memory, in C and by this project, beside USB/IP over
tcp and unix, a pipe and memcpy. With "controller": register accesses of a VM, beside a server in C. With "disk": a
disk of a virtual machine that is booted for it, beside QEMU's own; needs what the tests in virtual machines need. With
"counters": what it costs a transfer to be counted, without counters and with them in interleaved pairs. --rounds and
--json hold for all of them, --ms for all but "disk", --only for the host alone and for "counters".

  --quick        512 B and 16 KiB on one core only
  --only TEXT    only cases whose name contains TEXT: in, out, echo, "in 512 B, depth 32"
  --rounds N     rounds whose median counts (default 3; "controller" and "disk": 5; pairs of "counters": 20)
  --ms N         milliseconds of each measurement (default 500)
  --json         one JSON document on standard output
  --help         this text
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    ms: { type: "string", default: "500" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

/** A server and its client on one core, small transfers, many in flight: where every byte of garbage shows. */
async function measureAllocations(
  contenders: readonly Contender[],
  client: LoadClient,
  cpu: number | undefined,
): Promise<Allocation[]> {
  const allocations: Allocation[] = [];
  for (const contender of contenders) {
    for (const direction of ["in", "out"] as const) {
      progress(`memory, ${contender.name}, ${direction}`);
      allocations.push(await measureAllocation(contender, { direction, size: 512, depth: 32 }, client, cpu));
    }
  }
  return allocations;
}

async function run(): Promise<void> {
  const began = describeMachine();
  const client = LoadClient.build();
  const program = compile("reference/server.c");
  const hosts = process.platform === "linux" ? [LIBUV, WORKER] : [LIBUV];
  const contenders: Contender[] = [...hosts, ECHO];
  if (program === undefined) progress("There is no cc on this machine, so the C reference is left out.");
  else contenders.push(reference(program));
  const wanted = cases(values.quick).filter((one) => isNamed(one, values.only));
  const rounds = Number(values.rounds ?? 3);
  const measureMs = Number(values.ms);
  const places = values.quick ? pinnings().slice(0, 1) : pinnings();
  const figures: Figures[] = [];
  for (const place of places) {
    const tell = (round: number) =>
      progress(round === 0 ? `${place.name}, warming up` : `${place.name}, round ${round} of ${rounds}`);
    const times = { warmMs: 100, measureMs, urbs: 0 };
    figures.push(...(await playRounds(place, contenders, wanted, rounds, client, times, tell)));
  }
  const allocations = await measureAllocations(hosts, client, places[0]!.server);
  const report = {
    began,
    ended: describeMachine(),
    loadClient: client.language,
    rounds,
    measureMs,
    figures,
    allocations,
  };
  process.stdout.write(values.json ? `${JSON.stringify(report, undefined, 2)}\n` : printReport(report));
}

if (values.help) process.stdout.write(HELP);
else if (positionals.length === 0) await run();
else if (positionals.join(" ") === "links") {
  process.stdout.write(await measureLinks(Number(values.rounds ?? 3), Number(values.ms), values.json));
} else if (positionals.join(" ") === "devices") {
  process.stdout.write(await measureDevices(Number(values.rounds ?? 3), Number(values.ms), values.json));
} else if (positionals.join(" ") === "ring") {
  process.stdout.write(await measureRing(Number(values.rounds ?? 3), Number(values.ms), values.json));
} else if (positionals.join(" ") === "controller") {
  process.stdout.write(await measureController(Number(values.rounds ?? 5), Number(values.ms), values.json));
} else if (positionals.join(" ") === "disk") {
  // Its guest is that of the tests, which stand above this folder.
  const script = fileURLToPath(new URL("../test/vm/controller-bench.js", import.meta.url));
  const argv = ["--enable-source-maps", script, values.rounds ?? "5", values.json ? "json" : "text"];
  process.exitCode = spawnSync(process.execPath, argv, { stdio: "inherit" }).status ?? 1;
} else if (positionals.join(" ") === "counters") {
  const pairs = Number(values.rounds ?? PAIRS);
  process.stdout.write(
    await compareQuestions([COUNTERS], pairs, Number(values.ms), values.json, values.only),
  );
} else {
  process.stderr.write(
    `There is no bench "${positionals.join(" ")}"; there are links, devices, ring, controller, disk and counters.\n`,
  );
  process.exitCode = 2;
}
