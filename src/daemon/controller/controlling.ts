import type { UnixAddress } from "../../links/address.ts";
import { DescriptorListener } from "../../links/descriptor-listener.ts";
import { SystemError } from "../../linux/system-error.ts";
import { unixSocketRole } from "../../linux/unix-socket.ts";
import type { ConnectionEnd } from "../../vfio-user/connection.ts";
import { DmaTable } from "../../vfio-user/dma-table.ts";
import { MsixVectors } from "../../vfio-user/msix-vectors.ts";
import { PciFunction } from "../../vfio-user/pci-function.ts";
import { VfioUserServer } from "../../vfio-user/server.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { DEFAULT_PLAN } from "../../xhci/capability-registers.ts";
import { Controller } from "../../xhci/controller.ts";
import type { ControlPlace } from "../api/control-place.ts";
import { ControlServer } from "../api/control-server.ts";
import { WrongUsage } from "../failure.ts";
import { machineRoots } from "../hardware/machine-roots.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { Log } from "../log.ts";
import { DriverClaims } from "../state/driver-claims.ts";
import { openClaims } from "../state/host-states.ts";
import type { StateFolder } from "../state/state-folder.ts";
import { ControllerDevices } from "./controller-devices.ts";
import { DistantSources } from "./distant-source.ts";
import { HardwareWishes } from "./hardware-wishes.ts";
import { PortTable } from "./port-table.ts";
import { XhciFunction } from "./xhci-function.ts";

/** Where the VMM comes from. */
export type ClientPlace = UnixAddress | { readonly kind: "fd"; readonly fd: number };

export interface ControllerRequest {
  readonly client: ClientPlace;
  readonly devices: readonly string[];
  /** Devices also that this machine needs. */
  readonly isForced: boolean;
  readonly gadgets: readonly string[];
  readonly control: ControlPlace | undefined;
  readonly group: string | undefined;
  readonly folder: StateFolder;
}

/** A virtual xHCI controller for one VM, and its devices, which stay when the VM starts anew. */
export class Controlling {
  readonly devices: ControllerDevices;
  /** Resolves when the VM is gone and no other one can come. */
  readonly over: Promise<void>;
  readonly #server: VfioUserServer;
  readonly #log: Log;
  #end!: () => void;
  #listener: DescriptorListener | undefined;
  #control: ControlServer | undefined;
  #closeClaims: () => Promise<void> = async () => {};

  private constructor(folder: StateFolder, claims: DriverClaims | undefined, log: Log) {
    this.#log = log;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    const loop = new LibuvLoop();
    const memory = new DmaTable();
    const vectors = new MsixVectors(DEFAULT_PLAN.interrupters);
    const xhci = new Controller({ memory, line: vectors, loop, left: (port) => ports.left(port) });
    const ports = new PortTable(xhci, log);
    const hardware = new HardwareWishes({
      loop,
      log,
      roots: machineRoots(),
      claims,
      changed: () => this.devices.hardwareChanged(),
    });
    const distant = new DistantSources(loop, folder);
    this.devices = new ControllerDevices({ ports, loop, log, folder, distant, hardware });
    this.#server = new VfioUserServer(new PciFunction(new XhciFunction(xhci), memory, vectors), loop, {
      connected: () =>
        log.info({ code: "VM_CONNECTED" }, "VM_CONNECTED a virtual machine has the controller"),
      disconnected: (cause) => this.#disconnected(cause),
      refused: () =>
        log.warn(
          { code: "VM_REFUSED" },
          "VM_REFUSED a third client was sent away: a controller is for one VM",
        ),
    });
  }

  /** Rejects with WrongUsage, AccessDenied, Failed or a LinkError; then nothing is left behind. */
  static async start(request: ControllerRequest, log: Log): Promise<Controlling> {
    const claims = await openClaims(request.folder);
    const controlling = new Controlling(request.folder, claims && new DriverClaims(claims.store, log), log);
    if (claims !== undefined) controlling.#closeClaims = () => claims.close();
    try {
      await controlling.#begin(request);
    } catch (error) {
      await controlling.stop();
      throw error;
    }
    return controlling;
  }

  get isConnected(): boolean {
    return this.#server.isConnected;
  }

  /** Takes the controller away from the VM, and gives its devices back. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#server.close();
    this.#control?.refuseNew();
    await this.devices.close();
    this.#control?.stop();
    await this.#closeClaims();
    this.#end();
  }

  async #begin({ client, devices, isForced, gadgets, control, group }: ControllerRequest): Promise<void> {
    for (const text of gadgets) {
      // oxlint-disable-next-line no-await-in-loop -- their order is that of the ports, and the first failure is the one to tell
      await this.devices.plugGadget(text);
    }
    // oxlint-disable-next-line no-await-in-loop
    for (const text of devices) await this.devices.plugDevice(text, isForced);
    if (control !== undefined) {
      this.#control = await ControlServer.start({
        role: "controller",
        places: [control],
        group,
        load: async () => (await import("../api/controller-app.ts")).controllerApp(this, this.#log),
      });
    }
    await this.#awaitClient(client);
  }

  async #awaitClient(client: ClientPlace): Promise<void> {
    const take = (fd: number): void => this.#server.take(fd);
    if (client.kind === "unix") {
      this.#listener = await DescriptorListener.bind(client, take);
      return;
    }
    const role = unixSocketRole(client.fd);
    if (role instanceof SystemError) {
      throw new WrongUsage(
        `--fd ${client.fd} is no open unix socket (${role.code}). Open one before this program is started, or use --socket-path.`,
      );
    }
    if (role === "listening") this.#listener = await DescriptorListener.adopt(client.fd, take);
    else take(client.fd);
  }

  #disconnected(cause: ConnectionEnd): void {
    if (cause instanceof ProtocolError) {
      this.#log.warn(
        { code: cause.code },
        `${cause.code} the virtual machine lost the controller: ${cause.message}`,
      );
    } else {
      // One that was killed leaves answers unread, of which its socket tells.
      const why = cause === undefined ? "" : `: ${cause.message}`;
      this.#log.info({ code: "VM_GONE" }, `VM_GONE the virtual machine is gone${why}`);
    }
    if (this.#listener === undefined) this.#end();
  }
}
