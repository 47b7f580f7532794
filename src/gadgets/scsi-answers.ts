import { u8, u16, u32 } from "../wire/field.ts";
import { bigEndian } from "../wire/struct.ts";

const VENDOR = "usbferry";
const PRODUCT = "Disk";
const REVISION = "1.00";

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}

/** Standard INQUIRY data (SPC-4 §6.4.2). */
export function standardInquiry(): Uint8Array {
  const bytes = new Uint8Array(36).fill(0x20, 8);
  bytes[0] = 0x00; // a direct access block device is connected
  bytes[2] = 0x06; // SPC-4
  bytes[3] = 0x02; // response data format
  bytes[4] = bytes.length - 5;
  bytes[5] = 0; // no protection, no third-party copy
  bytes.fill(0, 6, 8);
  bytes.set(ascii(VENDOR), 8);
  bytes.set(ascii(PRODUCT), 16);
  bytes.set(ascii(REVISION), 32);
  return bytes;
}

/** A page of vital product data (SPC-4 §7.8), or nothing if there is no such page. */
export function vitalProductData(page: number, serial: string): Uint8Array | undefined {
  switch (page) {
    case 0x00:
      return vitalPage(page, Uint8Array.of(0x00, 0x80, 0x83));
    case 0x80:
      return vitalPage(page, ascii(serial));
    case 0x83: {
      // T10 vendor identification (§7.8.6.4): what stands in INQUIRY and a serial number, unique together.
      const name = ascii(VENDOR.padEnd(8) + PRODUCT.padEnd(16) + serial);
      return vitalPage(page, Uint8Array.of(0x02, 0x01, 0x00, name.length, ...name));
    }
    default:
      return undefined;
  }
}

function vitalPage(page: number, body: Uint8Array): Uint8Array {
  return Uint8Array.of(0x00, page, body.length >> 8, body.length & 0xff, ...body);
}

const Capacity10 = bigEndian("READ CAPACITY(10) data", {
  RETURNED_LOGICAL_BLOCK_ADDRESS: u32,
  BLOCK_LENGTH: u32,
});

/** SBC-3 §5.15: all ones where the last block needs READ CAPACITY(16). */
export function capacity10(blockCount: number, blockSize: number): Uint8Array {
  return Capacity10.encode({
    RETURNED_LOGICAL_BLOCK_ADDRESS: Math.min(blockCount - 1, 0xffff_ffff),
    BLOCK_LENGTH: blockSize,
  });
}

const Capacity16 = bigEndian("READ CAPACITY(16) data", {
  RETURNED_LOGICAL_BLOCK_ADDRESS_HIGH: u32,
  RETURNED_LOGICAL_BLOCK_ADDRESS_LOW: u32,
  BLOCK_LENGTH: u32,
});

/** SBC-3 §5.16: no protection, logical is physical, nothing is thinly provisioned. */
export function capacity16(blockCount: number, blockSize: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const last = blockCount - 1;
  Capacity16.encodeInto(
    {
      RETURNED_LOGICAL_BLOCK_ADDRESS_HIGH: Math.floor(last / 2 ** 32),
      RETURNED_LOGICAL_BLOCK_ADDRESS_LOW: last % 2 ** 32,
      BLOCK_LENGTH: blockSize,
    },
    bytes,
    0,
  );
  return bytes;
}

const FormatCapacities = bigEndian("READ FORMAT CAPACITIES data", {
  reserved: u16,
  reserved2: u8,
  CAPACITY_LIST_LENGTH: u8,
  NUMBER_OF_BLOCKS: u32,
  /** Descriptor code 10b in the top byte: formatted media. */
  DESCRIPTOR_TYPE_AND_BLOCK_LENGTH: u32,
});

/** MMC-5 §6.24.3: the present capacity alone. */
export function formatCapacities(blockCount: number, blockSize: number): Uint8Array {
  return FormatCapacities.encode({
    reserved: 0,
    reserved2: 0,
    CAPACITY_LIST_LENGTH: 8,
    NUMBER_OF_BLOCKS: Math.min(blockCount, 0xffff_ffff),
    DESCRIPTOR_TYPE_AND_BLOCK_LENGTH: (2 << 24) | blockSize,
  });
}

/** SPC-4 §6.33: LUN 0 alone. */
export const LUN_LIST: Uint8Array = Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** Page codes of MODE SENSE. */
const CACHING = 0x08;
const ALL_PAGES = 0x3f;
/** PC field of MODE SENSE: which values. */
const CHANGEABLE = 1;
/** Device-specific parameter of a mode header (SBC-3 §6.4.1). */
const WRITE_PROTECTED = 0x80;

/**
 * MODE SENSE data (SPC-4 §7.5) without block descriptors, or nothing if there is no such page. The caching
 * page says that there is a write cache: only then does a guest ask for SYNCHRONIZE CACHE.
 */
export function modeSense(
  length: 6 | 10,
  page: number,
  control: number,
  readOnly: boolean,
): Uint8Array | undefined {
  if (page !== CACHING && page !== ALL_PAGES) return undefined;
  const caching = new Uint8Array(20);
  caching[0] = CACHING;
  caching[1] = caching.length - 2;
  if (control !== CHANGEABLE) caching[2] = 0x04; // WCE
  const specific = readOnly ? WRITE_PROTECTED : 0;
  const header =
    length === 6
      ? Uint8Array.of(3 + caching.length, 0, specific, 0)
      : Uint8Array.of(0, 6 + caching.length, 0, specific, 0, 0, 0, 0);
  return Uint8Array.of(...header, ...caching);
}
