import type { AccessSize, PciBar, PciDevice, PciIdentity } from "../../vfio-user/pci-device.ts";
import type { Controller } from "../../xhci/controller.ts";
import { PCI_IDENTITY } from "../../xhci/pci-identity.ts";

/** The registers of the specification are at the first BAR (xHCI §5.2.1). */
const BAR = 0;

/** The controller as a PCI function. Neither of the two rooms knows the other. */
export class XhciFunction implements PciDevice {
  readonly identity: PciIdentity = {
    vendor: PCI_IDENTITY.vendorId,
    device: PCI_IDENTITY.deviceId,
    revision: PCI_IDENTITY.revision,
    classCode: PCI_IDENTITY.classCode,
    subsystemVendor: 0,
    subsystem: 0,
  };
  readonly configuration: ReadonlyMap<number, number> = new Map(PCI_IDENTITY.configuration);
  readonly bars: readonly PciBar[];
  readonly vectors: number;
  readonly #xhci: Controller;

  constructor(xhci: Controller) {
    this.#xhci = xhci;
    this.bars = [{ index: BAR, size: xhci.barSize }];
    this.vectors = xhci.vectors;
  }

  read(_bar: number, offset: number, size: AccessSize): number {
    return this.#xhci.read(offset, size);
  }

  write(_bar: number, offset: number, size: AccessSize, value: number): void {
    this.#xhci.write(offset, size, value);
  }

  reset(): void {
    this.#xhci.reset();
  }

  memoryChanged(change: "given" | "taken"): void {
    this.#xhci.memoryChanged(change);
  }
}
