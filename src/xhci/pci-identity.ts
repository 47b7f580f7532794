/** What the controller is on the PCI bus of its guest. The IDs are those of QEMU's controller, which every guest knows. */
export const PCI_IDENTITY = {
  vendorId: 0x1b36,
  deviceId: 0x000d,
  revision: 0x01,
  /** Serial bus controller, USB, xHCI. */
  classCode: 0x0c0330,
  /** Bytes of the configuration space that a driver reads: SBRN (USB 3.0) and FLADJ (xHCI §5.2.3, §5.2.4). */
  configuration: [
    [0x60, 0x30],
    [0x61, 0x20],
  ],
} as const;
