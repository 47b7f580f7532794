import type { CommandOutline } from "../command-outline.ts";

/** The command itself, then all below it. */
export function everyCommand(root: CommandOutline): readonly CommandOutline[] {
  return [root, ...root.commands.flatMap(everyCommand)];
}
