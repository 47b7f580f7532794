import type { Chip } from "./chip.ts";
import { CompletionCode } from "./completion-code.ts";
import { COMMANDS_PER_DOORBELL } from "./limits.ts";
import { CRCR, USBSTS } from "./registers.ts";
import { addressOf, highWord, TrbType } from "./trb.ts";
import { Fetched, TrbRing } from "./trb-ring.ts";
import type { Walker } from "./turns.ts";

/** How a command ended: its completion code, and the slot that it was about. */
export type CommandDone = (code: number, slot: number) => void;

const POINTER_ALIGN = 64;

/** The command ring (xHCI §4.6.1): commands are carried out one after the other, and each is answered. */
export class CommandRing implements Walker {
  readonly #chip: Chip;
  readonly #execute: (words: Int32Array, done: CommandDone) => void;
  readonly #ring = new TrbRing();
  #low = 0;
  isQueued = false;
  /** CRR. */
  #isRunning = false;
  #isStopping = false;
  /** Address of the command that is being carried out; what it says then is heard only if it is still that. */
  #current: { readonly address: number } | undefined;

  /** `execute` may say later how a command ended. */
  constructor(chip: Chip, execute: (words: Int32Array, done: CommandDone) => void) {
    this.#chip = chip;
    this.#execute = execute;
  }

  /** CRCR reads as zero but for CRR (xHCI §5.4.5). */
  read(): number {
    return this.#isRunning && this.#chip.isRunning ? CRCR.CRR : 0;
  }

  writeLow(value: number): void {
    if (this.read() !== 0) {
      if ((value & CRCR.CA) !== 0) this.#abort();
      else if ((value & CRCR.CS) !== 0) this.#stop();
      return;
    }
    this.#low = value;
    const high = highWord(this.#ring.dequeue);
    this.#ring.move(addressOf(value, high, POINTER_ALIGN), value & CRCR.RCS);
  }

  writeHigh(value: number): void {
    if (this.read() !== 0) return;
    this.#ring.move(addressOf(this.#low, value, POINTER_ALIGN), this.#low & CRCR.RCS);
  }

  ringDoorbell(): void {
    this.#isRunning = true;
    this.#ring.walked = 0;
    this.#chip.turns.add(this);
  }

  /** The controller halts; the ring goes on where it was at the next doorbell. */
  halt(): void {
    this.#isRunning = false;
    this.#isStopping = false;
    this.#current = undefined;
  }

  reset(): void {
    this.halt();
    this.#low = 0;
    this.#ring.move(0, 0);
  }

  walk(): void {
    const { turns } = this.#chip;
    while (this.#mayGoOn()) {
      if (turns.left <= 0) {
        turns.add(this);
        return;
      }
      turns.left--;
      const fetched = this.#ring.fetch(this.#chip.bus);
      if (fetched === Fetched.none) return;
      if (fetched === Fetched.broken) {
        this.#chip.fail(USBSTS.HSE);
        return;
      }
      if (this.#ring.walked > COMMANDS_PER_DOORBELL) {
        this.#chip.fail(USBSTS.HCE);
        return;
      }
      this.#begin();
    }
  }

  #mayGoOn(): boolean {
    const chip = this.#chip;
    return (
      this.#isRunning &&
      !this.#isStopping &&
      this.#current === undefined &&
      chip.isRunning &&
      !chip.isCongested
    );
  }

  #begin(): void {
    const current = { address: this.#ring.address };
    this.#current = current;
    this.#execute(this.#ring.words, (code, slot) => {
      if (this.#current !== current) return;
      this.#current = undefined;
      this.#complete(current.address, code, slot);
      if (this.#isStopping) this.#stop();
      else this.#chip.turns.add(this);
    });
  }

  /** Ends behind the present command. */
  #stop(): void {
    this.#isStopping = this.#current !== undefined;
    if (this.#isStopping) return;
    this.#isRunning = false;
    this.#complete(this.#ring.dequeue, CompletionCode.COMMAND_RING_STOPPED, 0);
  }

  #abort(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) this.#complete(current.address, CompletionCode.COMMAND_ABORTED, 0);
    this.#stop();
  }

  #complete(address: number, code: number, slot: number): void {
    const type = TrbType.COMMAND_COMPLETION << 10;
    this.#chip.post(0, address | 0, highWord(address), code << 24, type | (slot << 24));
  }
}
