import { Argument, type Command } from "commander";
import { GADGET_KINDS } from "../daemon/serve.ts";
import { type CommandOutline, outlineOf } from "./command-outline.ts";
import { bashCompletion } from "./completion/bash.ts";
import { fishCompletion } from "./completion/fish.ts";
import { zshCompletion } from "./completion/zsh.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const HELP = `
bash:  usbferry completion bash | sudo tee /etc/bash_completion.d/usbferry
zsh:   usbferry completion zsh > FOLDER/_usbferry, a folder of $fpath
fish:  usbferry completion fish > ~/.config/fish/completions/usbferry.fish`;

export function addCompletion(root: Command): void {
  root
    .command("completion")
    .description("what lets a shell complete commands and options")
    .addArgument(new Argument("<SHELL>", "whose").choices(SHELLS))
    .addHelpText("after", HELP)
    .action(async (shell: Shell) => {
      const { program } = await import("./program.ts");
      process.stdout.write(completions(outlineOf(await program([])))[shell]);
    });
}

/** For each shell, of all commands. */
export function completions(root: CommandOutline): Readonly<Record<Shell, string>> {
  const gadgets = GADGET_KINDS.map(({ name }) => name);
  return {
    bash: bashCompletion(root, gadgets),
    zsh: zshCompletion(root, gadgets),
    fish: fishCompletion(root, gadgets),
  };
}
