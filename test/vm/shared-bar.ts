import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SLOT = 0x10;
/** The only address of an ivshmem device in a guest of ours. */
export const BAR_PLACE = "0000:00:10.0";

/** Memory of this machine that a guest has as a PCI BAR, and the socket of the port that wakes both. */
export interface SharedBar {
  readonly memory: string;
  readonly socket: string;
  /** Of the port, in the guest. */
  readonly port: string;
  readonly bytes: number;
  /** Where the guest finds the host. */
  readonly guestAddress: string;
}

/** Each has a name of its own, and goes with `removeBar`. */
export function newBar(name: string, port = "usbferry.ring"): SharedBar {
  return {
    memory: `/dev/shm/usbferry-${process.pid}-${name}`,
    socket: join(tmpdir(), `usbferry-${process.pid}-${name}.port`),
    port,
    bytes: 32 << 20,
    guestAddress: `ring:pci:${BAR_PLACE}${port === "usbferry.ring" ? "" : `,port=${port}`}`,
  };
}

export function removeBar({ memory, socket }: SharedBar): void {
  for (const path of [memory, socket]) rmSync(path, { force: true });
}

/** Where the host listens for it. */
export function sharedBarAddress({ memory, socket }: SharedBar): string {
  return `ring:file:${memory},port=${socket}`;
}

/** A guest that is to be booted with it. */
export function sharedBarArguments({ memory, socket, port, bytes }: SharedBar): readonly string[] {
  return [
    ["-object", `memory-backend-file,id=ring,mem-path=${memory},size=${bytes},share=on`],
    ["-device", `ivshmem-plain,memdev=ring,addr=0x${SLOT.toString(16)}`],
    ["-chardev", `socket,id=ring,path=${socket},server=on,wait=off`],
    ["-device", `virtserialport,chardev=ring,name=${port}`],
  ].flat();
}
