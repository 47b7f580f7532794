import { MSIX_BAR_BYTES, PENDING_AT, TABLE_AT } from "./msix-registers.ts";
import type { PciDevice } from "./pci-device.ts";

/** Of a conventional function: without PCI Express nobody asks for power states or error reporting. */
export const CONFIG_BYTES = 256;

/** Type 0 header (PCI Local Bus 3.0 §6.1) */
const VENDOR_ID = 0x00;
const DEVICE_ID = 0x02;
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION_ID = 0x08;
const CACHE_LINE_SIZE = 0x0c;
const LATENCY_TIMER = 0x0d;
const BASE_ADDRESS = 0x10;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const SUBSYSTEM_ID = 0x2e;
const CAPABILITIES_POINTER = 0x34;
const INTERRUPT_LINE = 0x3c;

const BUS_MASTER = 1 << 2;
/** Memory space, bus master, parity and system errors, interrupt disable. */
const COMMAND_WRITABLE = 0x0546;
const STATUS_CAPABILITIES = 1 << 4;
const BAR_64_BIT = 0x4;

/** MSI-X (§6.8.2) */
const MSIX = 0x90;
const MSIX_ID = 0x11;
const MSIX_CONTROL = MSIX + 2;
const MSIX_TABLE = MSIX + 4;
const MSIX_PENDING = MSIX + 8;
/** Enable, and mask all. */
const MSIX_CONTROL_WRITABLE = 0xc000;

/** The configuration space of a function. Bits that no software may change stay as they are, whoever writes. */
export class ConfigSpace {
  readonly #bytes = new DataView(new ArrayBuffer(CONFIG_BYTES));
  /** Bits that can be written. */
  readonly #writable = new DataView(new ArrayBuffer(CONFIG_BYTES));

  /** The registers of MSI-X stand in the BAR `msixBar`, of 32 bits. */
  constructor(device: PciDevice, msixBar: number) {
    const { identity } = device;
    const bytes = this.#bytes;
    const writable = this.#writable;
    bytes.setUint16(VENDOR_ID, identity.vendor, true);
    bytes.setUint16(DEVICE_ID, identity.device, true);
    bytes.setUint16(STATUS, STATUS_CAPABILITIES, true);
    bytes.setUint32(REVISION_ID, (identity.classCode << 8) | identity.revision, true);
    bytes.setUint16(SUBSYSTEM_VENDOR_ID, identity.subsystemVendor, true);
    bytes.setUint16(SUBSYSTEM_ID, identity.subsystem, true);
    bytes.setUint8(CAPABILITIES_POINTER, MSIX);
    bytes.setUint8(MSIX, MSIX_ID);
    bytes.setUint16(MSIX_CONTROL, device.vectors - 1, true);
    bytes.setUint32(MSIX_TABLE, TABLE_AT | msixBar, true);
    bytes.setUint32(MSIX_PENDING, PENDING_AT | msixBar, true);
    for (const [offset, value] of device.configuration) bytes.setUint8(offset, value);

    writable.setUint16(COMMAND, COMMAND_WRITABLE, true);
    writable.setUint8(CACHE_LINE_SIZE, 0xff);
    writable.setUint8(LATENCY_TIMER, 0xff);
    writable.setUint8(INTERRUPT_LINE, 0xff);
    writable.setUint16(MSIX_CONTROL, MSIX_CONTROL_WRITABLE, true);
    writable.setUint32(BASE_ADDRESS + 4 * msixBar, -MSIX_BAR_BYTES, true);
    for (const { index, size } of device.bars) {
      const at = BASE_ADDRESS + 4 * index;
      bytes.setUint32(at, BAR_64_BIT, true);
      writable.setUint32(at, -size, true);
      writable.setUint32(at + 4, 0xffffffff, true);
    }
  }

  get isBusMaster(): boolean {
    return (this.#bytes.getUint16(COMMAND, true) & BUS_MASTER) !== 0;
  }

  read(offset: number): number {
    return this.#bytes.getUint8(offset);
  }

  write(offset: number, value: number): void {
    const mask = this.#writable.getUint8(offset);
    this.#bytes.setUint8(offset, (this.#bytes.getUint8(offset) & ~mask) | (value & mask));
  }

  /** What software has written is gone: addresses, command, MSI-X. */
  reset(): void {
    for (let offset = 0; offset < CONFIG_BYTES; offset++) this.write(offset, 0);
  }
}
