import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { scenarios } from "./scenario.ts";
import { sharedBar, sharedBarArguments } from "./scenarios/shared-bar.ts";
import { sharedMemory } from "./scenarios/shared-memory.ts";

const files = {
  memory: `/dev/shm/usbferry-${process.pid}`,
  socket: join(tmpdir(), `usbferry-${process.pid}.ring`),
};
after(() => {
  for (const path of Object.values(files)) rmSync(path, { force: true });
});

scenarios("6.12", [sharedMemory, sharedBar(files)], {
  modules: ["vhci-hcd"],
  qemuArguments: sharedBarArguments(files),
});
