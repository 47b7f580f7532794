import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { socketPair } from "../linux/socket-pair.ts";
import { SystemError } from "../linux/system-error.ts";
import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { Urb } from "../usb/urb.ts";
import { SESSION_LIMITS } from "../usbip/session-limits.ts";
import { UrbSession } from "../usbip/urb-session.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { PortChoice, Vhci } from "./vhci.ts";
import { VhciError } from "./vhci-error.ts";

/** Why a device is no longer attached: the kernel let go of it, it was unplugged, or `stop` was called. */
export type RelayEnd = "detached" | "unplugged" | "stopped" | ProtocolError;

const READ_BYTES = 256 << 10;
/** How long the kernel may take to close its end; it takes milliseconds. */
const CLOSE_MS = 2_000;

/**
 * The sink of this machine's kernel: a server session of USB/IP over a socket pair whose other end is the
 * kernel's. So the kernel hears nothing but what our own engine says, whoever the device comes from.
 */
export class KernelRelay implements UsbHost {
  readonly #device: UsbDevice;
  readonly #vhci: Vhci;
  readonly #loop: Loop;
  readonly #ended: (end: RelayEnd) => void;
  #socket: Socket | undefined;
  #session: UrbSession | undefined;
  #end: RelayEnd | undefined;

  /** `ended` runs once, after a successful `attach`, when port and device are free again. */
  constructor(device: UsbDevice, vhci: Vhci, loop: Loop, ended: (end: RelayEnd) => void) {
    this.#device = device;
    this.#vhci = vhci;
    this.#loop = loop;
    this.#ended = ended;
  }

  /** Opens the device and gives it to the kernel; resolves with its port. Rejects with what stands in the way. */
  async attach(choice?: PortChoice): Promise<number> {
    const refused = await new Promise<OpenError | undefined>((resolve) => {
      this.#device.open(this, this.#loop, resolve);
    });
    if (refused !== undefined) throw new VhciError("REFUSED", `cannot attach: ${refused.message}`);
    try {
      return this.#connect(choice);
    } catch (error) {
      await new Promise<void>((resolve) => this.#device.close(resolve));
      throw error;
    }
  }

  /** Takes the device away from the kernel, which lets go of it cleanly; `ended` follows. */
  stop(): void {
    this.#close("stopped");
  }

  /** What passes, once the kernel has it. */
  get counters(): TransferCounters | undefined {
    return this.#session?.counters;
  }

  complete(urb: Urb): void {
    this.#session!.complete(urb);
  }

  unplugged(): void {
    if (this.#session === undefined) this.#end ??= "unplugged";
    else this.#session.unplugged();
  }

  #connect(choice: PortChoice | undefined): number {
    const { descriptors, speed, configuration } = this.#device;
    if (this.#end !== undefined) throw new VhciError("REFUSED", "cannot attach: the device was unplugged.");
    const map = EndpointMap.of(descriptors, speed, configuration);
    if (map instanceof ProtocolError) {
      throw new VhciError("REFUSED", `cannot attach: the device describes itself wrongly (${map.message}).`);
    }
    const pair = socketPair();
    if (pair instanceof SystemError) throw pair;
    const [ours, kernels] = pair;
    const devid = this.#vhci.unusedDevid();
    let port: number;
    try {
      port = this.#vhci.attach(kernels, devid, speed, choice);
    } catch (error) {
      closeSync(ours);
      throw error;
    } finally {
      closeSync(kernels);
    }
    this.#serve(ours, devid, map);
    return port;
  }

  #serve(fd: number, devid: number, map: EndpointMap): void {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const onread = {
      buffer,
      callback: (length: number) => {
        session.receive(buffer.subarray(0, length));
        return true;
      },
    };
    // `onread` is an option of every socket; the types know it for those that connect.
    const socket = new Socket({ fd, readable: true, writable: true, onread } as ConstructorParameters<
      typeof Socket
    >[0]);
    const output = {
      write: (chunks: readonly Uint8Array[], written: () => void) => writeAll(socket, chunks, written),
      end: (cause: ProtocolError | "unplugged") => this.#close(cause),
    };
    const session = new UrbSession(this.#device, devid, map, this.#loop, output, SESSION_LIMITS);
    this.#session = session;
    this.#socket = socket;
    // A reset is only how the kernel's end may close; what it leads to is the same.
    socket.on("error", () => {});
    socket.on("close", () => {
      session.stop();
      this.#device.close(() => this.#ended(this.#end ?? "detached"));
    });
    socket.resume();
  }

  /**
   * Half a close, and the kernel answers with its own. Its last requests are read meanwhile: closing over unread
   * bytes would look to it like a connection that broke.
   */
  #close(end: RelayEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    const socket = this.#socket;
    socket?.end();
    const timer = this.#loop.after(CLOSE_MS, () => socket?.destroy());
    socket?.on("close", () => timer.cancel());
  }
}

function writeAll(socket: Socket, chunks: readonly Uint8Array[], written: () => void): void {
  if (!socket.writable) {
    process.nextTick(written);
    return;
  }
  const last = chunks.length - 1;
  socket.cork();
  for (let i = 0; i < last; i++) socket.write(chunks[i]!);
  socket.write(chunks[last]!, written);
  socket.uncork();
}
