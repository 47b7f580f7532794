import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { scenarios } from "./scenario.ts";
import { sharedMemory, vsockConformance } from "./scenarios/links.ts";
import { sharedBar, sharedBarArguments } from "./scenarios/shared-bar.ts";

const files = {
  memory: `/dev/shm/usbferry-${process.pid}`,
  socket: join(tmpdir(), `usbferry-${process.pid}.ring`),
};
after(() => {
  for (const path of Object.values(files)) rmSync(path, { force: true });
});

scenarios("6.12", [sharedMemory, sharedBar(files), vsockConformance], {
  modules: ["vhci-hcd", "vsock", "vsock_loopback"],
  qemuArguments: sharedBarArguments(files),
});
