import assert from "node:assert/strict";
import type { RecordedEvent } from "./recorded-file.ts";

/** A URB from its submission to its completion. */
interface RecordedUrb {
  readonly submission: RecordedEvent;
  readonly completion: RecordedEvent | undefined;
}

const ISOCHRONOUS = 0;
/** ENOENT, ECONNRESET, ESHUTDOWN: the driver took it back, or the device went. */
const TAKEN_BACK: ReadonlySet<number> = new Set([-2, -104, -108]);
/** URB_SHORT_NOT_OK, URB_ISO_ASAP, URB_ZERO_PACKET, URB_DIR_IN; the others are of no concern beyond a kernel. */
const FLAGS = 0x0001 | 0x0002 | 0x0040 | 0x0200;

/** What a comparison has found. */
export interface Comparison {
  /** URBs of the kernel, by transfer type: isochronous, interrupt, control, bulk. */
  readonly urbs: readonly number[];
  /** Of them those that the driver took back: their end may have been under way here, or they never left the kernel. */
  readonly takenBack: number;
}

/** Requests that a kernel makes of a device before that has an address, at most. */
const EARLY_MAX = 8;

/**
 * Compares our recording of one device with that of the kernel that used it, URB by URB and field by field: setup, data, status,
 * lengths, isochronous tables. Times, ids and addresses are each one's own.
 */
export function compareRecordings(
  ours: readonly RecordedEvent[],
  theirs: readonly RecordedEvent[],
): Comparison {
  const all = [0, 0, 0, 0];
  let takenBack = 0;
  for (const endpoint of new Set(theirs.map(endpointOf))) {
    const kernel = urbsOf(theirs, endpoint);
    const host = urbsOf(ours, endpoint);
    compareEndpoint(host.slice(endpoint === 0 ? earlyRequests(host, kernel) : 0), kernel, endpoint);
    for (const { submission } of kernel) all[submission.transferType]!++;
    takenBack += kernel.filter(isTakenBack).length;
  }
  return { urbs: all, takenBack };
}

/** What the kernel asks before the device has an address has none in its recording either. */
function earlyRequests(host: readonly RecordedUrb[], kernel: readonly RecordedUrb[]): number {
  const setups = (urbs: readonly RecordedUrb[]): string =>
    urbs
      .slice(0, EARLY_MAX)
      .map(({ submission }) => submission.setup)
      .join(" ");
  const first = setups(kernel);
  for (let early = 0; early <= EARLY_MAX; early++) if (setups(host.slice(early)) === first) return early;
  assert.fail(`the first requests are ${setups(host)}, and at the kernel ${first}`);
}

function compareEndpoint(
  host: readonly RecordedUrb[],
  kernel: readonly RecordedUrb[],
  endpoint: number,
): void {
  let at = 0;
  for (const [index, urb] of kernel.entries()) {
    const own = host[at];
    const where = `URB ${index} of endpoint ${endpoint.toString(16)}`;
    // One that is taken back at once does not leave the kernel.
    const mayBeMissing = isTakenBack(urb) && kernel.length - index > host.length - at;
    if (mayBeMissing && (own === undefined || !isTakenBack(own))) continue;
    assert(own !== undefined, `${where} is missing`);
    at++;
    assert.deepEqual(fieldsOf(own.submission), fieldsOf(urb.submission), `${where}, submission`);
    if (isTakenBack(urb)) continue;
    assert(own.completion !== undefined, `${where} did not complete`);
    assert.deepEqual(fieldsOf(own.completion), fieldsOf(urb.completion!), `${where}, completion`);
  }
  assert.equal(at, host.length, `URBs of endpoint ${endpoint.toString(16)} that the kernel does not know`);
}

function isTakenBack({ completion }: RecordedUrb): boolean {
  return completion === undefined || TAKEN_BACK.has(completion.status);
}

/** Both directions of the control endpoint are one. */
function endpointOf({ endpoint }: RecordedEvent): number {
  return (endpoint & 15) === 0 ? 0 : endpoint;
}

function urbsOf(events: readonly RecordedEvent[], endpoint: number): readonly RecordedUrb[] {
  const urbs: { submission: RecordedEvent; completion: RecordedEvent | undefined }[] = [];
  const pending = new Map<string, (typeof urbs)[number]>();
  for (const event of events) {
    if (endpointOf(event) !== endpoint) continue;
    if (event.type === "S") {
      const urb = { submission: event, completion: undefined };
      urbs.push(urb);
      pending.set(event.id, urb);
    } else {
      const urb = pending.get(event.id);
      if (urb !== undefined) urb.completion = event;
      pending.delete(event.id);
    }
  }
  return urbs;
}

function fieldsOf(event: RecordedEvent): object {
  const { type, transferType, endpoint, status, length, setup, interval, startFrame, flags } = event;
  const { errorCount, packets, data } = event;
  // Between the packets of a read stands whatever stood there.
  const isRead = transferType === ISOCHRONOUS && type === "C";
  const bytes = isRead
    ? packets.map(([, offset, size]) => data.subarray(offset, offset + size).toString("hex"))
    : data.toString("hex");
  return {
    type,
    transferType,
    endpoint,
    status,
    length,
    setup,
    interval,
    startFrame,
    flags: flags & FLAGS,
    errorCount,
    packets,
    bytes,
  };
}
