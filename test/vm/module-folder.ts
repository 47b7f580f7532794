import type { Guest } from "./guest.ts";

/** Gives the guest a folder of modules without these, as a smaller kernel package has it, for as long as `use` runs. */
export async function withoutModules(
  guest: Guest,
  modules: readonly string[],
  use: () => Promise<void>,
): Promise<void> {
  const folder = `/lib/modules/${guest.release}`;
  await guest.shell(
    `mv ${folder} /lib/modules/whole && mkdir ${folder} && ln -s /lib/modules/whole/* ${folder}/`,
  );
  try {
    await guest.shell(modules.map((module) => `rm ${folder}/${module}.ko`).join(" && "));
    await use();
  } finally {
    await guest.shell(`rm -r ${folder} && mv /lib/modules/whole ${folder}`);
  }
}
