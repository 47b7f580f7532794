import { createGadget, type GadgetSpecification } from "../../gadgets/catalog.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import { Keyboard, type TypingRefused } from "../../gadgets/keyboard.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Loop } from "../../usb/loop.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { PlaneGadget } from "../data-plane/plane-gadget.ts";
import type { Log } from "../log.ts";
import { FileStore } from "./file-store.ts";
import { PtyStream } from "./pty-stream.ts";
import { openRecording } from "./recorded-device.ts";
import { TcpStream } from "./tcp-stream.ts";

/** A gadget with what stands behind it. */
export interface PluggedGadget {
  readonly device: Gadget | PlaneGadget;
  /** What a person has to know to use it. */
  readonly note?: string;
  /** Of a keyboard alone: types a text on it, or tells why nothing was typed. */
  readonly type?: (text: string) => Promise<TypingRefused | undefined>;
  /** Gives back what stands behind it, when no session has the device any more. */
  close(): Promise<void>;
}

/**
 * Whether nothing but itself stands behind a gadget, so that a thread without an event loop can have it, and one like it on
 * the main thread takes its place.
 */
export function standsAlone(specification: GadgetSpecification): boolean {
  switch (specification.kind) {
    case "disk":
      return "size" in specification.content;
    case "serial":
      return specification.bridge === "echo";
    case "keyboard":
      // It is typed once.
      return specification.text === undefined;
    case "replay":
      return false;
    default:
      return true;
  }
}

/**
 * Opens what the gadget needs and makes it, in the data plane if there is one that can have it. Rejects with
 * AccessDenied, Failed or a SystemError.
 */
export async function plugGadget(
  specification: GadgetSpecification,
  loop: Loop,
  log: Log,
  plane: DataPlane | undefined,
): Promise<PluggedGadget> {
  if (plane !== undefined && standsAlone(specification)) {
    const device = plane.plug(specification);
    return {
      device,
      ...(specification.kind === "keyboard" && { type: (text) => device.type(text) }),
      close: async () => device.unplug(),
    };
  }
  switch (specification.kind) {
    case "disk":
      return "file" in specification.content
        ? plugImage(specification, specification.content.file, log)
        : plugAlone(specification);
    case "serial": {
      const { bridge } = specification;
      if (bridge === "echo") return plugAlone(specification);
      if (bridge === "pty") return plugPty(specification, loop);
      const stream = new TcpStream(bridge.tcp, log);
      return { device: createGadget(specification, { stream }), close: async () => stream.destroy() };
    }
    case "replay": {
      const recording = await openRecording(specification);
      return { device: createGadget(specification, { recording }), close: async () => {} };
    }
    default:
      return plugAlone(specification);
  }
}

function plugAlone(specification: GadgetSpecification): PluggedGadget {
  const device = createGadget(specification);
  return {
    device,
    ...(device instanceof Keyboard && { type: async (text) => device.type(text) }),
    close: async () => {},
  };
}

async function plugImage(
  specification: GadgetSpecification & { kind: "disk" },
  file: string,
  log: Log,
): Promise<PluggedGadget> {
  const store = await FileStore.open(file, specification.readOnly);
  const onFailure = ({ message }: { readonly message: string }): void =>
    log.warn({ code: "STORE_FAILED", file }, `${file} failed, the guest sees a medium error: ${message}`);
  return { device: createGadget(specification, { store, onFailure }), close: () => store.close() };
}

function plugPty(specification: GadgetSpecification & { kind: "serial" }, loop: Loop): PluggedGadget {
  const stream = PtyStream.open(loop);
  if (stream instanceof SystemError) throw stream;
  return {
    device: createGadget(specification, { stream }),
    note: `its other end is ${stream.path}`,
    close: async () => stream.destroy(),
  };
}
