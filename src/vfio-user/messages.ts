/** The messages of vfio-user (qemu: docs/interop/vfio-user.rst), as far as a device without migration has to do with them. */
import { u16, u32, u64 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** Version 0.0: every client takes it, and nothing of 0.1 is needed. */
export const VERSION = { major: 0, minor: 0 } as const;

export const Command = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
} as const;

export const Header = littleEndian("HEADER", {
  message_id: u16,
  command: u16,
  /** Of the whole message. */
  message_size: u32,
  flags: u32,
  /** A number of Linux, in a reply with the flag. */
  error: u32,
});

/** Bits of `Header.flags`. The type stands in the lowest four. */
export const MessageFlag = { typeMask: 0xf, reply: 1, noReply: 1 << 4, error: 1 << 5 } as const;

/** Behind it JSON and a zero. */
export const Version = littleEndian("VERSION", { major: u16, minor: u16 });

export const DmaMap = littleEndian("DMA_MAP", {
  argsz: u32,
  flags: u32,
  /** Where the range begins in the file of the descriptor. */
  offset: u64,
  address: u64,
  length: u64,
});

export const DmaFlag = { readable: 1 << 0, writable: 1 << 1 } as const;

export const DmaUnmap = littleEndian("DMA_UNMAP", { argsz: u32, flags: u32, address: u64, length: u64 });

export const UnmapFlag = { dirtyBitmap: 1 << 1, all: 1 << 2 } as const;

export const DeviceInfo = littleEndian("DEVICE_GET_INFO", {
  argsz: u32,
  flags: u32,
  num_regions: u32,
  num_irqs: u32,
});

export const DeviceFlag = { reset: 1 << 0, pci: 1 << 1 } as const;

export const RegionInfo = littleEndian("DEVICE_GET_REGION_INFO", {
  argsz: u32,
  flags: u32,
  index: u32,
  cap_offset: u32,
  length: u64,
  offset: u64,
});

export const RegionFlag = { read: 1 << 0, write: 1 << 1 } as const;

/** VFIO_PCI_*_REGION_INDEX (linux: include/uapi/linux/vfio.h) */
export const RegionIndex = { bar0: 0, rom: 6, config: 7, count: 9 } as const;

export const IrqInfo = littleEndian("DEVICE_GET_IRQ_INFO", {
  argsz: u32,
  flags: u32,
  index: u32,
  count: u32,
});

export const IrqInfoFlag = { eventfd: 1 << 0, noResize: 1 << 3 } as const;

/** VFIO_PCI_*_IRQ_INDEX */
export const IrqIndex = { msix: 2, error: 3, count: 5 } as const;

/** Behind it one byte for each vector where the data are `bool`. */
export const SetIrqs = littleEndian("DEVICE_SET_IRQS", {
  argsz: u32,
  flags: u32,
  index: u32,
  start: u32,
  count: u32,
});

/** Bits of `SetIrqs.flags`: what the data are, and what is done. */
export const IrqData = { mask: 7, none: 1 << 0, bool: 1 << 1, eventfd: 1 << 2 } as const;
export const IrqAction = { mask: 1 << 3, unmask: 1 << 4, trigger: 1 << 5 } as const;

/** REGION_READ and REGION_WRITE; data behind it. */
export const RegionAccess = littleEndian("REGION_ACCESS", { offset: u64, region: u32, count: u32 });

export const WriteMulti = littleEndian("REGION_WRITE_MULTI", { wr_cnt: u64 });

/** `wr_cnt` of these, each with 8 bytes of data behind it. */
export const SINGLE_WRITE_BYTES = RegionAccess.size + 8;

/** Most bytes of one access. Nothing of a function is read in larger pieces. */
export const DATA_MAX = 65536;

/** Longest message that is taken. */
export const MESSAGE_MAX = Header.size + RegionAccess.size + DATA_MAX;

/** Descriptors of one message: what QEMU sends at most; Cloud Hypervisor sends as many whatever it is told. */
export const FDS_MAX = 16;
