import { cpus } from "node:os";
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
import type { ControllerTraffic } from "./controller-client.ts";
import { ControllerDevices } from "./controller-devices.ts";
import { DistantSources } from "./distant-source.ts";
import { HardwareWishes } from "./hardware-wishes.ts";
import { HotplugSocket } from "./hotplug-socket.ts";
import { PassedDevices } from "./passed-devices.ts";
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
  /** Where open devices are handed over. */
  readonly hotplug: UnixAddress | undefined;
  readonly group: string | undefined;
  readonly folder: StateFolder;
  /** How long the controller looks by itself for the next access of the VM before it sleeps. Default: see below. */
  readonly lookMs?: number;
}

/** Longer than it takes to wake a virtual processor up, and that processor to make its next access. */
const LOOK_MS = 0.1;

/** Where there is one processor, each look takes it from the VM. */
function usualLookMs(): number {
  return cpus().length > 1 ? LOOK_MS : 0;
}

/** A virtual xHCI controller for one VM, and its devices, which stay when the VM starts anew. */
export class Controlling {
  readonly devices: ControllerDevices;
  /** Resolves when the VM is gone and no other one can come. */
  readonly over: Promise<void>;
  readonly #server: VfioUserServer;
  readonly #xhci: Controller;
  readonly #function: PciFunction;
  readonly #log: Log;
  #end!: () => void;
  #listener: DescriptorListener | undefined;
  #control: ControlServer | undefined;
  readonly #bindHotplug: (address: UnixAddress) => Promise<HotplugSocket>;
  #hotplug: HotplugSocket | undefined;
  #closeClaims: () => Promise<void> = async () => {};

  private constructor(
    { folder, lookMs = usualLookMs() }: ControllerRequest,
    claims: DriverClaims | undefined,
    log: Log,
  ) {
    this.#log = log;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    const loop = new LibuvLoop(lookMs);
    const memory = new DmaTable();
    const vectors = new MsixVectors(DEFAULT_PLAN.interrupters);
    const xhci = new Controller({ memory, line: vectors, loop, left: (port) => ports.left(port) });
    this.#xhci = xhci;
    const ports = new PortTable(xhci, log);
    const roots = machineRoots();
    const hardware = new HardwareWishes({
      loop,
      log,
      roots,
      claims,
      changed: () => this.devices.hardwareChanged(),
    });
    const distant = new DistantSources(loop, folder);
    this.devices = new ControllerDevices({ ports, loop, log, folder, distant, hardware });
    const passed = new PassedDevices({ devices: this.devices, ports, roots, log, claims });
    this.#bindHotplug = (address) => HotplugSocket.bind(address, loop, passed);
    this.#function = new PciFunction(new XhciFunction(xhci), memory, vectors);
    this.#server = new VfioUserServer(this.#function, loop, {
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
    const controlling = new Controlling(request, claims && new DriverClaims(claims.store, log), log);
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

  /** What has passed between VMs and devices since the start. */
  get traffic(): ControllerTraffic {
    const { accesses, vectors } = this.#function;
    return { ...accesses, interrupts: vectors.raised, transfers: this.#xhci.submitted };
  }

  /** Takes the controller away from the VM, and gives its devices back. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#server.close();
    this.#control?.refuseNew();
    await this.#hotplug?.close();
    await this.devices.close();
    this.#control?.stop();
    await this.#closeClaims();
    this.#end();
  }

  async #begin(request: ControllerRequest): Promise<void> {
    const { client, devices, isForced, gadgets, control, group, hotplug } = request;
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
    if (hotplug !== undefined) this.#hotplug = await this.#bindHotplug(hotplug);
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
