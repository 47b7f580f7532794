import {
  capacity10,
  capacity16,
  formatCapacities,
  LUN_LIST,
  modeSense,
  standardInquiry,
  vitalProductData,
} from "./scsi-answers.ts";
import { blockRange, numberAt, Operation, READ_CAPACITY_16 } from "./scsi-commands.ts";
import { fixedSense, type Sense, SenseOf } from "./scsi-sense.ts";

/** What a command comes to. `fail` has set the sense data. */
export type ScsiPlan =
  | { readonly does: "pass" | "fail" | "flush" }
  | { readonly does: "send"; readonly data: Uint8Array }
  | { readonly does: "read"; readonly lba: number; readonly blocks: number }
  | { readonly does: "write"; readonly lba: number; readonly blocks: number; readonly flushed: boolean };

export interface Medium {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly readOnly: boolean;
}

const PASS: ScsiPlan = { does: "pass" };
const FLUSH: ScsiPlan = { does: "flush" };

/** START STOP UNIT byte 4 (SBC-3 §5.25) */
const START = 1 << 0;
const POWER_CONDITION = 0xf0;
/** VERIFY byte 1: compare with data from the host. */
const BYTCHK = 0x06;
/** Byte 1 of INQUIRY: a page of vital product data. Of REQUEST SENSE: descriptor format. */
const EVPD = 1 << 0;
const DESC = 1 << 0;
/** Values that MODE SENSE could have kept over a loss of power. */
const SAVED = 3;

/** Stopped by START STOP UNIT, a disk answers these all the same (SPC-4 §5.13). */
const ANSWERED_WHEN_STOPPED: ReadonlySet<number> = new Set([
  Operation.REQUEST_SENSE,
  Operation.INQUIRY,
  Operation.REPORT_LUNS,
  Operation.START_STOP_UNIT,
]);

/** The SCSI side of a disk: says what a command comes to and keeps the sense data. Moves no blocks itself. */
export class ScsiDisk {
  readonly #medium: Medium;
  readonly #serial: string;
  #sense: Sense = SenseOf.none;
  #stopped = false;

  constructor(medium: Medium, serial: string) {
    this.#medium = medium;
    this.#serial = serial;
  }

  /** As after power on. */
  reset(): void {
    this.#sense = SenseOf.none;
    this.#stopped = false;
  }

  /** The command has failed on its way: REQUEST SENSE tells why. */
  fail(sense: Sense): ScsiPlan {
    this.#sense = sense;
    return { does: "fail" };
  }

  plan(block: Uint8Array): ScsiPlan {
    const operation = block[0]!;
    const sense = this.#sense;
    this.#sense = SenseOf.none;
    if (this.#stopped && !ANSWERED_WHEN_STOPPED.has(operation)) return this.fail(SenseOf.stopped);
    const { blockCount, blockSize, readOnly } = this.#medium;
    switch (operation) {
      case Operation.TEST_UNIT_READY:
      case Operation.PREVENT_ALLOW_MEDIUM_REMOVAL:
        return PASS;
      case Operation.REQUEST_SENSE:
        if ((block[1]! & DESC) !== 0) return this.fail(SenseOf.invalidFieldInCommand);
        return this.#send(fixedSense(sense), block[4]!);
      case Operation.INQUIRY:
        return this.#inquiry(block);
      case Operation.MODE_SENSE_6:
        return this.#modeSense(6, block, block[4]!);
      case Operation.MODE_SENSE_10:
        return this.#modeSense(10, block, numberAt(block, 7, 2));
      case Operation.START_STOP_UNIT:
        return this.#startStop(block[4]!);
      case Operation.READ_FORMAT_CAPACITIES:
        return this.#send(formatCapacities(blockCount, blockSize), numberAt(block, 7, 2));
      case Operation.READ_CAPACITY_10:
        return this.#send(capacity10(blockCount, blockSize), 8);
      case Operation.SERVICE_ACTION_IN_16:
        if ((block[1]! & 0x1f) !== READ_CAPACITY_16) return this.fail(SenseOf.invalidFieldInCommand);
        return this.#send(capacity16(blockCount, blockSize), numberAt(block, 10, 4));
      case Operation.REPORT_LUNS:
        return this.#send(LUN_LIST, numberAt(block, 6, 4));
      case Operation.READ_6:
      case Operation.READ_10:
      case Operation.READ_12:
      case Operation.READ_16:
        return this.#within(block, ({ lba, blocks }) => ({ does: "read", lba, blocks }));
      case Operation.WRITE_6:
      case Operation.WRITE_10:
      case Operation.WRITE_12:
      case Operation.WRITE_16:
        if (readOnly) return this.fail(SenseOf.writeProtected);
        return this.#within(block, ({ lba, blocks, forceUnitAccess }) => ({
          does: "write",
          lba,
          blocks,
          flushed: forceUnitAccess,
        }));
      case Operation.VERIFY_10:
      case Operation.VERIFY_12:
      case Operation.VERIFY_16:
        if ((block[1]! & BYTCHK) !== 0) return this.fail(SenseOf.invalidFieldInCommand);
        return this.#within(block, () => PASS);
      case Operation.SYNCHRONIZE_CACHE_10:
      case Operation.SYNCHRONIZE_CACHE_16:
        // Its range is checked, but everything is flushed: a file has no smaller unit.
        return this.#within(block, () => FLUSH);
      default:
        return this.fail(SenseOf.invalidOperationCode);
    }
  }

  /** Data for the host, cut to its allocation length (SPC-4 §4.2.5.6). */
  #send(data: Uint8Array, allocationLength: number): ScsiPlan {
    return { does: "send", data: data.subarray(0, allocationLength) };
  }

  #inquiry(block: Uint8Array): ScsiPlan {
    const allocationLength = numberAt(block, 3, 2);
    const page = block[2]!;
    if ((block[1]! & EVPD) === 0) {
      if (page !== 0) return this.fail(SenseOf.invalidFieldInCommand);
      return this.#send(standardInquiry(), allocationLength);
    }
    const data = vitalProductData(page, this.#serial);
    if (data === undefined) return this.fail(SenseOf.invalidFieldInCommand);
    return this.#send(data, allocationLength);
  }

  #modeSense(length: 6 | 10, block: Uint8Array, allocationLength: number): ScsiPlan {
    const control = block[2]! >> 6;
    if (control === SAVED) return this.fail(SenseOf.savingNotSupported);
    const data = modeSense(length, block[2]! & 0x3f, control, this.#medium.readOnly);
    if (data === undefined) return this.fail(SenseOf.invalidFieldInCommand);
    return this.#send(data, allocationLength);
  }

  #startStop(flags: number): ScsiPlan {
    // Power conditions other than START_VALID change nothing that a guest can see.
    if ((flags & POWER_CONDITION) !== 0) return PASS;
    this.#stopped = (flags & START) === 0;
    return this.#stopped ? FLUSH : PASS;
  }

  #within(block: Uint8Array, plan: (range: ReturnType<typeof blockRange>) => ScsiPlan): ScsiPlan {
    const range = blockRange(block);
    if (range.lba + range.blocks > this.#medium.blockCount) return this.fail(SenseOf.addressOutOfRange);
    return plan(range);
  }
}
