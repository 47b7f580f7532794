import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Vhci } from "../../src/vhci/vhci.ts";

/** A kernel that is a folder, with one free port; it makes a device of nothing. */
export function vhciInFolder(folder: string): Vhci {
  const sysfs = join(folder, "vhci_hcd.0");
  mkdirSync(sysfs, { recursive: true });
  for (const name of ["attach", "detach"]) writeFileSync(join(sysfs, name), "");
  writeFileSync(
    join(sysfs, "status"),
    "hub port sta spd dev      sockfd local_busid\nhs  0000 004 000 00000000 000000 0-0\n",
  );
  return new Vhci(sysfs);
}
