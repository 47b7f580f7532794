/**
 * linux: include/uapi/linux/usbdevice_fs.h, for machines with 64-bit pointers and little-endian words. Numbers are those of
 * asm-generic/ioctl.h, which x86-64, arm64 and riscv64 share.
 */

const WRITE = 1;
const READ = 2;

function ioc(direction: number, number: number, size: number): number {
  return ((direction << 30) | (size << 16) | (0x55 /* 'U' */ << 8) | number) >>> 0;
}

/** Bytes of the structs. */
export const Size = {
  urb: 56,
  control: 24,
  isoPacket: 12,
  setInterface: 8,
  getDriver: 260,
  ioctl: 16,
  disconnectClaim: 264,
} as const;

export const USBDEVFS = {
  CONTROL: ioc(READ | WRITE, 0, Size.control),
  SETINTERFACE: ioc(READ, 4, Size.setInterface),
  SETCONFIGURATION: ioc(READ, 5, 4),
  GETDRIVER: ioc(WRITE, 8, Size.getDriver),
  SUBMITURB: ioc(READ, 10, Size.urb),
  DISCARDURB: ioc(0, 11, 0),
  REAPURBNDELAY: ioc(WRITE, 13, 8),
  RELEASEINTERFACE: ioc(READ, 16, 4),
  IOCTL: ioc(READ | WRITE, 18, Size.ioctl),
  RESET: ioc(0, 20, 0),
  CLEAR_HALT: ioc(READ, 21, 4),
  CONNECT: ioc(0, 23, 0),
  GET_CAPABILITIES: ioc(READ, 26, 4),
  DISCONNECT_CLAIM: ioc(READ, 27, Size.disconnectClaim),
} as const;

/** `type` of struct usbdevfs_urb. */
export const UrbType = { isochronous: 0, interrupt: 1, control: 2, bulk: 3 } as const;

/** `flags` of struct usbdevfs_urb. */
export const UrbFlags = { SHORT_NOT_OK: 0x01, ISO_ASAP: 0x02, ZERO_PACKET: 0x40 } as const;

/** Where the fields of struct usbdevfs_urb are, in 32-bit words. */
export const UrbWord = {
  /** `type` in the lowest byte, `endpoint` in the next. */
  typeAndEndpoint: 0,
  status: 1,
  flags: 2,
  /** A pointer: low word, high word. */
  buffer: 4,
  bufferLength: 6,
  actualLength: 7,
  startFrame: 8,
  numberOfPackets: 9,
  errorCount: 10,
  /** struct usbdevfs_iso_packet_desc, one behind the other. */
  packets: 14,
} as const;

/** Where the fields of struct usbdevfs_iso_packet_desc are, in 32-bit words. */
export const PACKET_WORDS = 3;
export const IsoPacketWord = { length: 0, actualLength: 1, status: 2 } as const;

/** Bits of GET_CAPABILITIES. */
export const Capability = { BULK_SCATTER_GATHER: 0x08, MMAP: 0x20 } as const;

/** `flags` of struct usbdevfs_disconnect_claim. */
export const DISCONNECT_CLAIM_EXCEPT_DRIVER = 0x02;
