import type { Chip } from "./chip.ts";
import type { CommandDone } from "./command-ring.ts";
import { CompletionCode } from "./completion-code.ts";
import { CONTEXT_SIZE, ENDPOINTS, inputContextAt, SlotContext, SlotState } from "./contexts.ts";
import { Endpoint } from "./endpoint.ts";
import type { Port } from "./port.ts";
import { USBSTS } from "./registers.ts";
import { Slot } from "./slot.ts";
import { addressOf, CommandBit, TRB_SIZE, TrbType, typeOf } from "./trb.ts";

const {
  SUCCESS,
  TRB,
  TRANSACTION,
  NO_SLOTS,
  SLOT_NOT_ENABLED,
  ENDPOINT_NOT_ENABLED,
  PARAMETER,
  CONTEXT_STATE,
} = CompletionCode;

/** Add flags of the slot context and of the default control endpoint. */
const A0 = 1 << 0;
const A1 = 1 << 1;
/** Percent of each port that is free; nothing is ever refused for bandwidth. */
const FREE_BANDWIDTH = 90;
const SLOT_WORDS = 4;

/** The device slots, and the commands about them (xHCI §4.6). */
export class Slots {
  readonly #chip: Chip;
  readonly #ports: readonly Port[];
  /** By id, from 1. */
  readonly #slots: (Slot | undefined)[];
  /** CONFIG and DCBAAP. */
  enabled = 0;
  contexts = 0;

  constructor(chip: Chip, ports: readonly Port[], count: number) {
    this.#chip = chip;
    this.#ports = ports;
    this.#slots = Array.from({ length: count + 1 });
  }

  find(id: number): Slot | undefined {
    return this.#slots[id];
  }

  reset(): void {
    for (const slot of this.#slots) slot?.abandon();
    this.#slots.fill(undefined);
    this.enabled = 0;
    this.contexts = 0;
  }

  /** All rings are looked at again. */
  wake(): void {
    for (const slot of this.#slots) slot?.wake();
  }

  execute(words: Int32Array, done: CommandDone): void {
    const control = words[3]!;
    const id = control >>> 24;
    const type = typeOf(control);
    const input = addressOf(words[0]!, words[1]!, TRB_SIZE);
    switch (type) {
      case TrbType.ENABLE_SLOT:
        this.#enable(done);
        return;
      case TrbType.NO_OP_COMMAND:
        done(SUCCESS, 0);
        return;
      case TrbType.GET_PORT_BANDWIDTH:
        done(this.#portBandwidth(input), id);
        return;
    }
    const slot = this.#slots[id];
    if (slot === undefined) {
      done(isOfSlot(type) ? SLOT_NOT_ENABLED : TRB, id);
    } else if (
      type === TrbType.RESET_ENDPOINT ||
      type === TrbType.STOP_ENDPOINT ||
      type === TrbType.SET_TR_DEQUEUE
    ) {
      this.#ofEndpoint(slot, type, words, (code) => done(code, id));
    } else {
      const code = this.#ofSlot(slot, type, input, control);
      this.#chip.checkBus();
      done(code, id);
    }
  }

  #enable(done: CommandDone): void {
    for (let id = 1; id < this.#slots.length && id <= this.enabled; id++) {
      if (this.#slots[id] !== undefined) continue;
      this.#slots[id] = new Slot(this.#chip, id);
      done(SUCCESS, id);
      return;
    }
    done(NO_SLOTS, 0);
  }

  #ofSlot(slot: Slot, type: number, input: number, control: number): number {
    switch (type) {
      case TrbType.DISABLE_SLOT:
        slot.abandon();
        this.#slots[slot.id] = undefined;
        return SUCCESS;
      case TrbType.ADDRESS_DEVICE:
        return this.#address(slot, input, (control & CommandBit.BSR) !== 0);
      case TrbType.CONFIGURE_ENDPOINT:
        return (control & CommandBit.DC) !== 0 ? deconfigure(slot) : this.#configure(slot, input);
      case TrbType.EVALUATE_CONTEXT:
        return this.#evaluate(slot, input);
      case TrbType.RESET_DEVICE:
        return resetDevice(slot);
      default:
        return TRB;
    }
  }

  #ofEndpoint(slot: Slot, type: number, words: Int32Array, done: (code: number) => void): void {
    const control = words[3]!;
    const endpoint = slot.endpoint((control >> 16) & 31);
    if (endpoint === undefined) {
      done(ENDPOINT_NOT_ENABLED);
      return;
    }
    if (type === TrbType.STOP_ENDPOINT) {
      endpoint.stop(done);
      return;
    }
    const code =
      type === TrbType.RESET_ENDPOINT
        ? endpoint.reset((control & CommandBit.TSP) !== 0)
        : endpoint.moveRing(addressOf(words[0]!, words[1]!, TRB_SIZE), words[0]! & 1);
    this.#chip.checkBus();
    done(code);
  }

  /** Address Device: no bus traffic is needed, a device has its address from its host. */
  #address(slot: Slot, input: number, isBlocked: boolean): number {
    const { bus } = this.#chip;
    if (!this.#isMapped(input)) return PARAMETER;
    if ((bus.load(input + 4) & (A0 | A1)) !== (A0 | A1)) return PARAMETER;
    const isNew = slot.state === SlotState.enabled;
    if (!isNew && (isBlocked || slot.state !== SlotState.default)) return CONTEXT_STATE;
    const slotInput = inputContextAt(input, 0);
    const route = bus.load(slotInput) & 0xfffff;
    const port = this.#ports[((bus.load(slotInput + 4) >> 16) & 0xff) - 1];
    const endpoint = Endpoint.of(slot, 1, bus, inputContextAt(input, 1));
    if (route !== 0 || port === undefined || endpoint === undefined) return PARAMETER;
    if (port.device === undefined) return TRANSACTION;
    const low = bus.load(this.contexts + 8 * slot.id);
    slot.context = addressOf(low, bus.load(this.contexts + 8 * slot.id + 4), 2 * CONTEXT_SIZE);
    if (bus.faulted || bus.page(slot.context, true) === undefined) {
      this.#chip.fail(USBSTS.HSE);
      return PARAMETER;
    }
    slot.device = port.device;
    slot.device.slot = slot;
    for (let word = 0; word < SLOT_WORDS; word++) {
      bus.store(slot.context + 4 * word, bus.load(slotInput + 4 * word));
    }
    slot.put(1, endpoint, inputContextAt(input, 1));
    slot.show(isBlocked ? SlotState.default : SlotState.addressed, 1);
    return SUCCESS;
  }

  #configure(slot: Slot, input: number): number {
    const { bus } = this.#chip;
    if (slot.state < SlotState.addressed) return CONTEXT_STATE;
    if (!this.#isMapped(input)) return PARAMETER;
    const drop = bus.load(input);
    const add = bus.load(input + 4);
    if ((drop & (A0 | A1)) !== 0 || (add & A1) !== 0) return PARAMETER;
    const added: Endpoint[] = [];
    for (let dci = 2; dci < ENDPOINTS; dci++) {
      if ((add & (1 << dci)) === 0) continue;
      const endpoint = Endpoint.of(slot, dci, bus, inputContextAt(input, dci));
      if (endpoint === undefined) return PARAMETER;
      added.push(endpoint);
    }
    for (let dci = 2; dci < ENDPOINTS; dci++) if ((drop & (1 << dci)) !== 0) slot.drop(dci);
    for (const endpoint of added) slot.put(endpoint.dci, endpoint, inputContextAt(input, endpoint.dci));
    const slotInput = inputContextAt(input, 0);
    if ((add & A0) !== 0) {
      for (let word = 0; word < SLOT_WORDS - 1; word++) {
        bus.store(slot.context + 4 * word, bus.load(slotInput + 4 * word));
      }
    }
    const state = slot.last > 1 ? SlotState.configured : SlotState.addressed;
    slot.show(state, slot.last);
    return SUCCESS;
  }

  #evaluate(slot: Slot, input: number): number {
    const { bus } = this.#chip;
    if (slot.state === SlotState.enabled) return CONTEXT_STATE;
    if (!this.#isMapped(input)) return PARAMETER;
    const add = bus.load(input + 4);
    const slotInput = inputContextAt(input, 0);
    if ((add & A0) !== 0) {
      merge(this.#chip, slot.context + 4, slotInput + 4, SlotContext.MAX_EXIT_LATENCY);
      merge(this.#chip, slot.context + 8, slotInput + 8, SlotContext.TARGET_MASK);
    }
    if ((add & A1) !== 0) {
      merge(this.#chip, slot.context + CONTEXT_SIZE + 4, inputContextAt(input, 1) + 4, MAX_PACKET_SIZE);
    }
    return SUCCESS;
  }

  #portBandwidth(context: number): number {
    const bytes = new Uint8Array(1 + this.#ports.length).fill(FREE_BANDWIDTH);
    bytes[0] = 0;
    return this.#chip.bus.copyOut(bytes, 0, bytes.length, context) ? SUCCESS : PARAMETER;
  }

  #isMapped(input: number): boolean {
    return this.#chip.bus.page(input, false) !== undefined;
  }
}

function isOfSlot(type: number): boolean {
  return type >= TrbType.DISABLE_SLOT && type <= TrbType.RESET_DEVICE;
}

const MAX_PACKET_SIZE = 0xffff0000 | 0;

/** Takes some bits of a word over. */
function merge({ bus }: Chip, to: number, from: number, mask: number): void {
  bus.store(to, (bus.load(to) & ~mask) | (bus.load(from) & mask));
}

function deconfigure(slot: Slot): number {
  if (slot.state < SlotState.addressed) return CONTEXT_STATE;
  slot.dropOthers();
  slot.show(SlotState.addressed, 1);
  return SUCCESS;
}

/** The port has been reset: only the default control endpoint is left, and no address (xHCI §4.6.11). */
function resetDevice(slot: Slot): number {
  if (slot.state < SlotState.addressed) return CONTEXT_STATE;
  slot.dropOthers();
  slot.endpoint(1)?.empty();
  slot.show(SlotState.default, 1);
  return SUCCESS;
}
