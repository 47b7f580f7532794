import { createRequire } from "node:module";
import { Command } from "commander";
import { addAgent } from "./agent.ts";
import { addAttach } from "./attach.ts";
import { addBench } from "./bench.ts";
import { addBind } from "./bind.ts";
import { addCapture } from "./capture.ts";
import { addController } from "./controller.ts";
import { addDetach } from "./detach.ts";
import { addDoctor } from "./doctor.ts";
import { addGadget } from "./gadget.ts";
import { addKick } from "./kick.ts";
import { addList } from "./list.ts";
import { addNickname } from "./nickname.ts";
import { addPair } from "./pair.ts";
import { addPolicy } from "./policy.ts";
import { addPorts } from "./ports.ts";
import { addServe } from "./serve.ts";
import { addService } from "./service.ts";
import { addState } from "./state.ts";
import { addTop } from "./top.ts";

const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };

const TAIL = `
A command or option that is not built yet says so and exits with 2.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 access denied, 4 cancelled.
Environment: NO_COLOR=1 no colours, USBFERRY_DEBUG=1 stacks of errors, USBFERRY_STATE the folder of the state.`;

/** The whole command line. Nothing runs before it is parsed. */
export function program(): Command {
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
  const commands = [
    addList,
    addBind,
    addServe,
    addAttach,
    addAgent,
    addDetach,
    addPorts,
    addController,
    addPolicy,
    addNickname,
    addDoctor,
    addState,
    addTop,
    addCapture,
    addBench,
    addKick,
    addPair,
    addService,
    addGadget,
  ];
  for (const add of commands) add(root);
  return root;
}
