import { createGadget, type GadgetSpecification } from "../../gadgets/catalog.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { Log } from "../log.ts";
import { FileStore } from "./file-store.ts";

/** A gadget with what stands behind it. */
export interface PluggedGadget {
  readonly device: UsbDevice;
  /** Gives back what stands behind it, when no session has the device any more. */
  close(): Promise<void>;
}

/** Opens what the gadget needs and makes it. Rejects with AccessDenied or Failed. */
export async function plugGadget(specification: GadgetSpecification, log: Log): Promise<PluggedGadget> {
  if (specification.kind === "disk" && "file" in specification.content) {
    const { file } = specification.content;
    const store = await FileStore.open(file, specification.readOnly);
    const onFailure = ({ message }: { readonly message: string }): void =>
      log.warn({ code: "STORE_FAILED", file }, `${file} failed, the guest sees a medium error: ${message}`);
    return { device: createGadget(specification, { store, onFailure }), close: () => store.close() };
  }
  return { device: createGadget(specification), close: async () => {} };
}
