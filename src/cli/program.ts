import { createRequire } from "node:module";
import { Command } from "commander";

const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };

const TAIL = `
A command or option that is not built yet says so and exits with 2.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 access denied, 4 cancelled.
Environment: NO_COLOR=1 no colours, USBFERRY_DEBUG=1 stacks of errors, USBFERRY_STATE the folder of the state.`;

type AddCommand = (root: Command) => void;

/** In the order of the help. Each brings what it needs and nobody else does: on a slow machine loading takes seconds. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ["list", async () => (await import("./list.ts")).addList],
  ["bind", async () => (await import("./bind.ts")).addBind],
  ["unbind", async () => (await import("./bind.ts")).addUnbind],
  ["serve", async () => (await import("./serve.ts")).addServe],
  ["attach", async () => (await import("./attach.ts")).addAttach],
  ["agent", async () => (await import("./agent.ts")).addAgent],
  ["detach", async () => (await import("./detach.ts")).addDetach],
  ["ports", async () => (await import("./ports.ts")).addPorts],
  ["controller", async () => (await import("./controller.ts")).addController],
  ["policy", async () => (await import("./policy.ts")).addPolicy],
  ["nickname", async () => (await import("./nickname.ts")).addNickname],
  ["doctor", async () => (await import("./doctor.ts")).addDoctor],
  ["state", async () => (await import("./state.ts")).addState],
  ["top", async () => (await import("./top.ts")).addTop],
  ["capture", async () => (await import("./capture.ts")).addCapture],
  ["extcap", async () => (await import("./extcap.ts")).addExtcap],
  ["bench", async () => (await import("./bench.ts")).addBench],
  ["kick", async () => (await import("./kick.ts")).addKick],
  ["pair", async () => (await import("./pair.ts")).addPair],
  ["service", async () => (await import("./service.ts")).addService],
  ["gadget", async () => (await import("./gadget.ts")).addGadget],
  ["completion", async () => (await import("./completion.ts")).addCompletion],
]);

/** The command line, as far as these arguments ask for it. Nothing runs before it is parsed. */
export async function program([first = ""]: readonly string[]): Promise<Command> {
  const root = new Command("usbferry")
    .description("Carries USB devices, real or simulated, across a machine boundary into another kernel.")
    .version(version)
    .exitOverride()
    // `controller` and its subcommands both have --control: each takes what stands behind its own name.
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "usbferry: error: ")),
    })
    .showHelpAfterError("Run it with --help to see what is accepted.")
    .addHelpText("after", TAIL);
  const wanted = COMMANDS.get(first);
  const commands = wanted === undefined ? [...COMMANDS.values()] : [wanted];
  for (const add of new Set(await Promise.all(commands.map((load) => load())))) add(root);
  return root;
}
