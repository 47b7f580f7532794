import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { basename, join } from "node:path";
import { libc } from "../../src/linux/libc.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { Vhci } from "../../src/vhci/vhci.ts";

const F_DUPFD_CLOEXEC = 1030;
const OTHERS_DEVID = 0x00010002;

interface Port {
  readonly hub: "hs" | "ss";
  devid: number;
  speed: number;
  sysfsName: string;
  socket: Socket | undefined;
}

/**
 * A kernel that is a folder: what is attached has a device with one bound interface and its nodes at once, and loses
 * them when either side closes. It asks the device nothing by itself.
 */
export class KernelInFolder {
  readonly vhci: Vhci;
  /** It never gets as far as to look at a device that is attached. */
  isStuck = false;
  readonly #folder: string;
  readonly #ports: Port[] = [];
  #devices = 0;

  constructor(folder: string, ports: { readonly hs: number; readonly ss: number }) {
    this.#folder = folder;
    for (const name of ["vhci_hcd.0", "sys", "dev"]) mkdirSync(join(folder, name), { recursive: true });
    for (const name of ["attach", "detach"]) writeFileSync(join(folder, "vhci_hcd.0", name), "");
    for (const hub of ["hs", "ss"] as const) {
      for (let i = 0; i < ports[hub]; i++) {
        this.#ports.push({ hub, devid: 0, speed: 0, sysfsName: "", socket: undefined });
      }
    }
    this.#tell();
    const folders = { sysfs: join(folder, "sys"), dev: join(folder, "dev") };
    this.vhci = new Vhci(join(folder, "vhci_hcd.0"), (path, text) => this.#written(path, text), folders);
  }

  /** Another program has a port from now on, or no longer. */
  occupy(port: number, isTaken: boolean): void {
    this.#ports[port]!.devid = isTaken ? OTHERS_DEVID : 0;
    this.#tell();
  }

  /** Another program detaches a port. */
  detach(port: number): void {
    this.#ports[port]!.socket?.destroy();
  }

  /** It asks the device at a port for something. */
  send(port: number, message: (devid: number) => Uint8Array): void {
    const { socket, devid } = this.#ports[port]!;
    socket!.write(message(devid));
  }

  #written(path: string, text: string): void {
    const [number = 0, fd = 0, devid = 0, speed = 0] = text.split(" ").map(Number);
    const port = this.#ports[number]!;
    if (basename(path) === "detach") {
      if (port.devid === 0) throw Object.assign(new Error("EINVAL"), { code: "EINVAL" });
      this.detach(number);
      return;
    }
    if (port.devid !== 0) throw Object.assign(new Error("EBUSY"), { code: "EBUSY" });
    Object.assign(port, { devid, speed, sysfsName: `${number + 1}-1`, socket: this.#take(fd, number) });
    if (!this.isStuck) this.#enumerate(port.sysfsName, number + 1);
    this.#tell();
  }

  /** The kernel has a reference of its own. */
  #take(fd: number, number: number): Socket {
    const c = libc();
    assert(!(c instanceof SystemError));
    const own = c.fcntl(fd, F_DUPFD_CLOEXEC, 3);
    assert(own >= 0, "the descriptor is open");
    const socket = new Socket({ fd: own, readable: true, writable: true });
    socket.on("error", () => {}).resume();
    socket.once("close", () => {
      const port = this.#ports[number]!;
      rmSync(join(this.#folder, "sys", port.sysfsName), { recursive: true, force: true });
      Object.assign(port, { devid: 0, speed: 0, sysfsName: "", socket: undefined });
      this.#tell();
    });
    return socket;
  }

  #enumerate(name: string, bus: number): void {
    const device = join(this.#folder, "sys", name);
    const tty = join(device, `${name}:1.0`, "tty", `ttyACM${bus - 1}`);
    mkdirSync(tty, { recursive: true });
    writeFileSync(join(device, "busnum"), `${bus}\n`);
    writeFileSync(join(device, "devnum"), `${++this.#devices}\n`);
    writeFileSync(join(tty, "dev"), "166:0\n");
    writeFileSync(join(tty, "uevent"), `MAJOR=166\nDEVNAME=ttyACM${bus - 1}\n`);
    symlinkSync("../../drivers/cdc_acm", join(device, `${name}:1.0`, "driver"));
    const nodes = join(this.#folder, "dev/bus/usb", String(bus).padStart(3, "0"));
    mkdirSync(nodes, { recursive: true });
    writeFileSync(join(nodes, String(this.#devices).padStart(3, "0")), "");
  }

  #tell(): void {
    const rows = this.#ports.map(({ hub, devid, speed, sysfsName }, i) => {
      const state = devid === 0 ? "004" : "006";
      const port = String(i).padStart(4, "0");
      return `${hub}  ${port} ${state} 00${speed} ${devid.toString(16).padStart(8, "0")} 000003 ${sysfsName || "0-0"}\n`;
    });
    const head = "hub port sta spd dev      sockfd local_busid\n";
    writeFileSync(join(this.#folder, "vhci_hcd.0", "status"), head + rows.join(""));
  }
}
