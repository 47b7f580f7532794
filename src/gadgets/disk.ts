import type { Change } from "../usb/chapter9.ts";
import { answerIn } from "../usb/control-data.ts";
import { Setup } from "../usb/setup.ts";
import { Speed } from "../usb/speed.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import type { BlockFailure, BlockStore } from "./block-store.ts";
import {
  BulkOnlyRequest,
  CommandStatus,
  CommandStatusWrapper,
  CSW_SIGNATURE,
  unwrapCommand,
  type WrappedCommand,
} from "./bulk-only.ts";
import { BULK_IN, BULK_OUT, diskConfigurations } from "./disk-descriptors.ts";
import { Gadget } from "./gadget.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";
import { ScsiDisk, type ScsiPlan } from "./scsi-disk.ts";
import { SenseOf } from "./scsi-sense.ts";

export interface DiskOptions extends GadgetIdentity {
  readonly store: BlockStore;
  /** Each failure of the store; the guest gets MEDIUM ERROR as sense data. */
  readonly onFailure?: (failure: BlockFailure) => void;
}

/** What the store is asked for at a time; more than usb-storage asks for at high speed (120 KiB). */
const CHUNK = 256 * 1024;
/** What is fetched before the host asks for the data, if the store has it at hand. The rest goes straight to the host's memory. */
const AT_HAND = 64 * 1024;

/**
 * Where a command is (Bulk-Only 1.0 §5.3). `store`: the store has been asked, both endpoints wait.
 * `broken`: a wrapper was not valid, both endpoints are halted until the host resets the transport.
 */
type Phase = "command" | "in" | "out" | "store" | "status" | "broken";

type Direction = "none" | "in" | "out";

const NO_COMMAND: WrappedCommand = { tag: 0, length: 0, isIn: false, block: new Uint8Array(16) };

/**
 * A disk: SCSI commands over the Bulk-Only Transport (USB Mass Storage Bulk-Only 1.0), blocks in a
 * `BlockStore`. One command at a time, as the transport has it. Where host and device disagree about the data,
 * the endpoints are stalled as the thirteen cases of §6.7 say; a phase error moves no data at all.
 */
export class Disk extends Gadget {
  readonly #store: BlockStore;
  readonly #onFailure: (failure: BlockFailure) => void;
  readonly #scsi: ScsiDisk;
  #phase: Phase = "command";
  #command = NO_COMMAND;
  #plan: ScsiPlan = { does: "pass" };
  #status: CommandStatus = CommandStatus.passed;
  /** Bytes that the device wants to move for this command, and those that have moved over USB. */
  #wanted = 0;
  #moved = 0;
  /** What moves next: bytes of the answer, or of a chunk of blocks. */
  #data: Uint8Array = new Uint8Array(0);
  #at = 0;
  #chunk: Uint8Array | undefined;
  /** The store has been asked, for this command or for one that was abandoned. */
  #asked = false;

  constructor(options: DiskOptions) {
    super(
      {
        vendorId: options.vendorId ?? 0x1209,
        productId: options.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0,
        manufacturer: MANUFACTURER,
        product: "Disk",
        serial: options.serial ?? "",
        strings: [],
        configurations: diskConfigurations,
      },
      options.speed ?? Speed.super,
    );
    this.#store = options.store;
    this.#onFailure = options.onFailure ?? (() => {});
    this.#scsi = new ScsiDisk(options.store, options.serial ?? "");
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    if (urb.endpoint === BULK_OUT) {
      if (this.#phase === "command") return this.#asked ? undefined : this.#begin(urb);
      return this.#phase === "out" ? this.#take(urb) : undefined;
    }
    if (this.#phase === "in") return this.#give(urb);
    return this.#phase === "status" ? this.#report(urb) : undefined;
  }

  protected override control(urb: Urb): TransferStatus {
    const { setup } = urb;
    const isOurs = this.configuration !== 0 && Setup.wValue(setup, 0) === 0 && Setup.wIndex(setup, 0) === 0;
    if (!isOurs) return TransferStatus.stall;
    switch ((Setup.bmRequestType(setup, 0) << 8) | Setup.bRequest(setup, 0)) {
      case BulkOnlyRequest.RESET:
        // The halts stay until the host clears them (§3.1).
        this.#abandon();
        return TransferStatus.ok;
      case BulkOnlyRequest.GET_MAX_LUN:
        return answerIn(urb, Uint8Array.of(0));
      default:
        return TransferStatus.stall;
    }
  }

  protected override changed(change: Change): void {
    if (change.what !== "halt") {
      this.#abandon();
      if (this.configuration === 0) this.#scsi.reset();
    } else if (this.#phase === "broken" && !change.halted) {
      // Only a reset of the transport ends this (§6.6.1).
      this.halt(change.endpoint);
    }
  }

  /** Takes a command block wrapper. */
  #begin(urb: Urb): TransferStatus {
    const from = urb.offset + urb.actualLength;
    const command = unwrapCommand(urb.buffer.subarray(from, urb.offset + urb.length));
    urb.actualLength = urb.length;
    if (command === undefined) {
      this.#phase = "broken";
      this.halt(BULK_IN);
      this.halt(BULK_OUT);
      return TransferStatus.stall;
    }
    this.#command = command;
    this.#plan = this.#scsi.plan(command.block);
    this.#status = this.#plan.does === "fail" ? CommandStatus.failed : CommandStatus.passed;
    this.#moved = 0;
    this.#wanted = this.#length();
    const direction = this.#direction();
    const agreed =
      direction === "none" || (command.length >= this.#wanted && command.isIn === (direction === "in"));
    if (!agreed) {
      this.#status = CommandStatus.phaseError;
      this.#finish();
    } else if (this.#plan.does === "send") {
      this.#data = this.#plan.data;
      this.#at = 0;
      this.#phase = "in";
      this.ready(BULK_IN);
    } else if (this.#plan.does === "flush") {
      this.#flush();
    } else if (direction === "none") {
      this.#finish();
    } else {
      this.#nextChunk();
    }
    return TransferStatus.ok;
  }

  #length(): number {
    const plan = this.#plan;
    if (plan.does === "send") return plan.data.length;
    if (plan.does === "read" || plan.does === "write") return plan.blocks * this.#store.blockSize;
    return 0;
  }

  #direction(): Direction {
    if (this.#wanted === 0) return "none";
    return this.#plan.does === "write" ? "out" : "in";
  }

  /** Where the blocks of this command go on. */
  get #lba(): number {
    const plan = this.#plan;
    if (plan.does !== "read" && plan.does !== "write") throw new Error(`${plan.does} moves no blocks`);
    return plan.lba + this.#moved / this.#store.blockSize;
  }

  /** Makes room for the next blocks, and for a read fills it. */
  #nextChunk(): void {
    this.#chunk ??= new Uint8Array(CHUNK);
    this.#data = this.#chunk.subarray(0, Math.min(CHUNK, this.#wanted - this.#moved));
    this.#at = 0;
    if (this.#plan.does === "write") {
      this.#phase = "out";
      this.ready(BULK_OUT);
      return;
    }
    const atHand = this.#data.subarray(0, AT_HAND);
    if (this.#store.readNow?.(this.#lba, atHand) === true) {
      this.#data = atHand;
      this.#phase = "in";
      this.ready(BULK_IN);
      return;
    }
    this.#ask(
      (done) => this.#store.read(this.#lba, this.#data, done),
      (failure) => {
        if (failure !== undefined) {
          this.#scsi.fail(SenseOf.unrecoveredReadError);
          this.#status = CommandStatus.failed;
          this.#finish();
        } else {
          this.#phase = "in";
          this.ready(BULK_IN);
        }
      },
    );
  }

  /** Data to the host. A URB that is longer than all the data ends short. */
  #give(urb: Urb): TransferStatus | undefined {
    const length = Math.min(urb.length - urb.actualLength, this.#data.length - this.#at);
    urb.buffer.set(this.#data.subarray(this.#at, this.#at + length), urb.offset + urb.actualLength);
    urb.actualLength += length;
    this.#at += length;
    this.#moved += length;
    if (this.#at === this.#data.length && this.#moved < this.#wanted) this.#giveBlocks(urb);
    if (this.#moved === this.#wanted) {
      this.#finish();
      return TransferStatus.ok;
    }
    if (this.#at === this.#data.length) this.#nextChunk();
    return urb.actualLength === urb.length ? TransferStatus.ok : undefined;
  }

  /** Has the store fill the memory of the host, as far as whole blocks go there and are at hand. */
  #giveBlocks(urb: Urb): void {
    const room = Math.min(urb.length - urb.actualLength, this.#wanted - this.#moved);
    const length = room - (room % this.#store.blockSize);
    const from = urb.offset + urb.actualLength;
    if (length === 0 || this.#store.readNow?.(this.#lba, urb.buffer.subarray(from, from + length)) !== true) {
      return;
    }
    urb.actualLength += length;
    this.#moved += length;
  }

  /** Data from the host. */
  #take(urb: Urb): TransferStatus | undefined {
    const length = Math.min(urb.length - urb.actualLength, this.#data.length - this.#at);
    const from = urb.offset + urb.actualLength;
    this.#data.set(urb.buffer.subarray(from, from + length), this.#at);
    urb.actualLength += length;
    this.#at += length;
    if (this.#at === this.#data.length) {
      this.#ask(
        (done) => this.#store.write(this.#lba, this.#data, done),
        (failure) => this.#written(failure),
      );
    }
    return urb.actualLength === urb.length ? TransferStatus.ok : undefined;
  }

  #written(failure: BlockFailure | undefined): void {
    this.#moved += this.#data.length;
    if (failure !== undefined) {
      this.#scsi.fail(SenseOf.writeError);
      this.#status = CommandStatus.failed;
      this.#finish();
    } else if (this.#moved < this.#wanted) {
      this.#nextChunk();
    } else if (this.#plan.does === "write" && this.#plan.flushed) {
      this.#flush();
    } else {
      this.#finish();
    }
  }

  #flush(): void {
    this.#ask(
      (done) => this.#store.flush(done),
      (failure) => {
        if (failure !== undefined) {
          this.#scsi.fail(SenseOf.writeError);
          this.#status = CommandStatus.failed;
        }
        this.#finish();
      },
    );
  }

  /** Asks the store; the answer is forgotten if the command was abandoned meanwhile. */
  #ask(
    call: (done: (failure?: BlockFailure) => void) => void,
    then: (failure: BlockFailure | undefined) => void,
  ): void {
    const command = this.#command;
    this.#phase = "store";
    this.#asked = true;
    call((failure) => {
      this.#asked = false;
      if (failure !== undefined) this.#onFailure(failure);
      if (this.#command === command) then(failure);
      else this.ready(BULK_OUT);
    });
  }

  /**
   * The data is over. Less than the host expects ends with a halt of the endpoint that the rest would have
   * taken (§6.7.2, §6.7.3).
   */
  #finish(): void {
    const { length, isIn } = this.#command;
    this.#phase = "status";
    if (this.#moved < length) this.halt(isIn ? BULK_IN : BULK_OUT);
    this.ready(BULK_IN);
  }

  /** Gives the host the command status wrapper. */
  #report(urb: Urb): TransferStatus {
    const wrapper = CommandStatusWrapper.encode({
      dCSWSignature: CSW_SIGNATURE,
      dCSWTag: this.#command.tag,
      dCSWDataResidue: this.#command.length - this.#moved,
      bCSWStatus: this.#status,
    });
    urb.actualLength = Math.min(urb.length, wrapper.length);
    urb.buffer.set(wrapper.subarray(0, urb.actualLength), urb.offset);
    this.#phase = "command";
    this.ready(BULK_OUT);
    return urb.length < wrapper.length ? TransferStatus.overflow : TransferStatus.ok;
  }

  #abandon(): void {
    this.#command = NO_COMMAND;
    this.#phase = "command";
    this.ready(BULK_OUT);
  }
}
