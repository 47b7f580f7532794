import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { allowedProcessors } from "../../src/linux/processor.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { onLinux } from "../support/poll-loop.ts";
import { RunningUsbferry, usbferry } from "../support/usbferry.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-pinning-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

function processors(): readonly number[] {
  const allowed = allowedProcessors();
  assert(!(allowed instanceof SystemError));
  return allowed;
}

function listOf(pid: number, task: string): string {
  return /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8"))![1]!;
}

/** Where the first thread of a process may run, and where all its others may. */
function threads({ process: { pid } }: RunningUsbferry): {
  readonly first: string;
  readonly others: Set<string>;
} {
  const tasks = readdirSync(`/proc/${pid}/task`).filter((task) => task !== String(pid));
  return { first: listOf(pid!, String(pid)), others: new Set(tasks.map((task) => listOf(pid!, task))) };
}

interface Ring {
  readonly lookUs: number;
  readonly cpu?: number;
}

async function running(context: TestContext, ...args: readonly string[]) {
  const place = join(folder, `${count++}`);
  const environment = { USBFERRY_CONTROL: `${place}.serve`, USBFERRY_AGENT: `${place}.agent` };
  const program = new RunningUsbferry(args, environment);
  context.after(() => void program.process.kill("SIGKILL"));
  return { program, environment };
}

async function told(
  environment: Record<string, string>,
): Promise<{ host?: { ring: Ring }; agent?: { ring: Ring } }> {
  for (;;) {
    const { code, stdout } = usbferry(["state"], environment);
    if (code === 0) return JSON.parse(stdout) as { host?: { ring: Ring }; agent?: { ring: Ring } };
  }
}

const SERVE = ["serve", "--listen", `ring:${join(folder, "ring")}`, "--gadget", "zero"];

test(
  "serve --ring-cpu keeps the thread of the rings on its processor, and no other",
  onLinux,
  async (context) => {
    const cpu = processors().at(-1)!;
    const own = listOf(process.pid, String(process.pid));
    const { program, environment } = await running(
      context,
      ...SERVE,
      "--ring-cpu",
      String(cpu),
      "--ring-look",
      "200",
    );
    await program.until("Stop with");
    const { host } = await told(environment);
    assert.deepEqual(host?.ring, { lookUs: 200, cpu });
    const { first, others } = threads(program);
    assert.deepEqual([first, others], [String(cpu), new Set([own])]);
    assert.equal((await program.end("SIGTERM")).code, 0);
  },
);

test(
  "a configuration says the same, and without either a thread goes where it likes",
  onLinux,
  async (context) => {
    const [cpu] = processors();
    const path = join(folder, "serve.yaml");
    writeFileSync(path, `ring: { look: 0, cpu: ${cpu} }\n`);
    const { program, environment } = await running(context, ...SERVE, "--config", path);
    await program.until("Stop with");
    assert.deepEqual((await told(environment)).host?.ring, { lookUs: 0, cpu });
    assert.equal(threads(program).first, String(cpu));
    await program.end("SIGTERM");
    const other = await running(context, ...SERVE);
    await other.program.until("Stop with");
    assert.deepEqual((await told(other.environment)).host?.ring, {
      lookUs: processors().length > 1 ? 50 : 0,
    });
    const own = listOf(process.pid, String(process.pid));
    assert.deepEqual(threads(other.program), { first: own, others: new Set([own]) });
    await other.program.end("SIGTERM");
  },
);

test(
  "an agent is started like that, and attach says when one runs that was not",
  onLinux,
  async (context) => {
    const cpu = processors().at(-1)!;
    const { program, environment } = await running(
      context,
      "agent",
      "--ring-cpu",
      String(cpu),
      "--ring-look",
      "75",
    );
    assert.deepEqual((await told(environment)).agent?.ring, { lookUs: 75, cpu });
    assert.equal(threads(program).first, String(cpu));
    const line = ["attach", `ring:${join(folder, "nobody")}`, "zero"];
    const { code, stderr } = usbferry([...line, "--ring-look", "10"], environment);
    assert.equal(code, 2);
    assert.match(
      stderr,
      new RegExp(`runs already, on processor ${cpu}, and looks for 75 microseconds\\. End it`),
    );
    const same = usbferry([...line, "--ring-look", "75", "--ring-cpu", String(cpu)], environment);
    assert.doesNotMatch(same.stderr, /runs already/);
    await program.end("SIGTERM");
  },
);

test("a processor that there is not is refused, with those that there are", onLinux, () => {
  const refused = usbferry([...SERVE, "--ring-cpu", "1023"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /processor 1023 is none that this process may run on\. Choose one of 0/);
});
