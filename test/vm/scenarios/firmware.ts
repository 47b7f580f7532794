import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerProcess } from "../../support/controller-process.ts";
import { bootSector, READ_SECTORS, SECTOR } from "../boot-sector.ts";
import { runFirmware } from "../firmware-machine.ts";

/** SeaBIOS finds keyboard and disk at a virtual controller, and boots from the disk, which reads the rest of itself. */
export async function bootFromDisk(
  controller: ControllerProcess,
  speed: "full" | "high" | "super",
  memoryMiB: number,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "usbferry-boot-"));
  const content = randomBytes(READ_SECTORS * SECTOR);
  const file = join(folder, "disk");
  await writeFile(file, Buffer.concat([bootSector(), content, Buffer.alloc(1 << 20)]));
  const keyboard = `keyboard,speed=${speed}`;
  const disk = `disk,file=${file},speed=${speed}`;
  await controller.plug(keyboard);
  await controller.plug(disk);
  try {
    const { qemuArguments } = controller;
    const said = await runFirmware({ memoryMiB, qemuArguments }, (text) => text.includes(content));
    const text = said.toString("latin1");
    assert.match(text, /XHCI init/);
    assert.match(text, /USB MSC vendor='usbferry/i);
    assert.match(text, /USB keyboard initialized/);
  } finally {
    await controller.unplug(keyboard);
    await controller.unplug(disk);
    await rm(folder, { recursive: true });
  }
}
