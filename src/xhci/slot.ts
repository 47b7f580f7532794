import type { AttachedDevice } from "./attached-device.ts";
import type { Chip } from "./chip.ts";
import {
  contextAt,
  ENDPOINT_STATE_MASK,
  ENDPOINTS,
  EndpointState,
  SlotContext,
  SlotState,
} from "./contexts.ts";
import type { Endpoint } from "./endpoint.ts";

/** What is in use of an endpoint context. */
const ENDPOINT_BYTES = 20;

/** A device as the guest's driver knows it (xHCI §4.5.2), from Enable Slot to Disable Slot. */
export class Slot {
  readonly chip: Chip;
  readonly id: number;
  state: SlotState = SlotState.enabled;
  /** Where the device context is; 0 until there is one. */
  context = 0;
  /** What answers; nothing before Address Device. */
  device: AttachedDevice | undefined;
  /** By DCI. */
  readonly #endpoints: (Endpoint | undefined)[] = Array.from({ length: ENDPOINTS });

  constructor(chip: Chip, id: number) {
    this.chip = chip;
    this.id = id;
  }

  endpoint(dci: number): Endpoint | undefined {
    return this.#endpoints[dci];
  }

  /** The highest DCI of those that are there. */
  get last(): number {
    return this.#endpoints.findLastIndex((endpoint) => endpoint !== undefined);
  }

  /** Puts an endpoint in the place of what was there, and shows it in the device context. */
  put(dci: number, endpoint: Endpoint, input: number): void {
    this.drop(dci);
    this.#endpoints[dci] = endpoint;
    const { bus } = this.chip;
    const output = contextAt(this.context, dci);
    for (let at = 0; at < ENDPOINT_BYTES; at += 4) bus.store(output + at, bus.load(input + at));
    endpoint.show();
  }

  drop(dci: number): void {
    const endpoint = this.#endpoints[dci];
    if (endpoint === undefined) return;
    endpoint.abandon();
    this.#endpoints[dci] = undefined;
    const output = contextAt(this.context, dci);
    const { bus } = this.chip;
    bus.store(output, (bus.load(output) & ~ENDPOINT_STATE_MASK) | EndpointState.disabled);
  }

  /** Drops all but the default control endpoint. */
  dropOthers(): void {
    for (let dci = 2; dci < ENDPOINTS; dci++) this.drop(dci);
  }

  /** Everything under way is given up; nothing is written to the guest. */
  abandon(): void {
    for (const endpoint of this.#endpoints) endpoint?.abandon();
    this.device = undefined;
  }

  suspend(): void {
    for (const endpoint of this.#endpoints) endpoint?.suspend();
  }

  resume(): void {
    for (const endpoint of this.#endpoints) endpoint?.resume();
  }

  /** Endpoints look at their rings again. */
  wake(): void {
    for (const endpoint of this.#endpoints) if (endpoint !== undefined) this.chip.turns.add(endpoint);
  }

  /** Shows state and address in the device context. */
  show(state: SlotState, entries: number): void {
    this.state = state;
    const { bus } = this.chip;
    const first = bus.load(this.context) & ~SlotContext.ENTRIES_MASK;
    bus.store(this.context, first | (entries << SlotContext.ENTRIES_SHIFT));
    const address = state >= SlotState.addressed ? this.id : 0;
    bus.store(this.context + 12, (state << SlotContext.STATE_SHIFT) | address);
  }
}
