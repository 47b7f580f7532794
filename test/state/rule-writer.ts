import { RULES, RuleBook } from "../../src/daemon/rules/rule-book.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";

/**
 * Changes rules until it is killed: adds, moves and removes them, and keeps a few. Prints each change on a line when it is
 * acknowledged: `+ID`, `-ID`.
 */
const { store } = await new StateFolder(process.argv[2]).open(RULES);
const book = new RuleBook(store);
process.stdout.write("ready\n");
const padding = "x".repeat(400);

async function add(): Promise<void> {
  const { id } = await book.add(`deny serial=${padding}`, 1);
  process.stdout.write(`+${id}\n`);
}

for (;;) {
  await Promise.all([add(), add()]);
  const rules = await book.list();
  await book.move(rules[0]!.id, rules.length);
  if (rules.length > 20) {
    const { id } = await book.remove(rules[10]!.id);
    process.stdout.write(`-${id}\n`);
  }
}
