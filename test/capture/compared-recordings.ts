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
  /** URBs that are the same in both recordings, by transfer type: isochronous, interrupt, control, bulk. */
  readonly urbs: readonly number[];
  /** Of them those that were taken back: their end may have been under way in the other recording. */
  readonly takenBack: number;
}

/**
 * Compares our recording of one device with that of the kernel that used it, URB by URB and field by field: setup, data, status,
 * lengths, isochronous tables. Times, ids and addresses are each one's own.
 */
export function compareRecordings(
  ours: readonly RecordedEvent[],
  theirs: readonly RecordedEvent[],
): Comparison {
  const urbs = [0, 0, 0, 0];
  let takenBack = 0;
  const endpoints = new Set(theirs.map(endpointOf));
  for (const endpoint of endpoints) {
    const kernel = urbsOf(theirs, endpoint);
    const host = urbsOf(ours, endpoint);
    // What the kernel asks before the device has an address has none in its recording either.
    const early = host.length - kernel.length;
    assert(early >= 0, `endpoint ${endpoint}: ${host.length} of ${kernel.length} URBs`);
    if (endpoint !== 0) assert.equal(early, 0, `endpoint ${endpoint}`);
    for (const [index, { submission, completion }] of kernel.entries()) {
      const own = host[early + index]!;
      const where = `URB ${index} of endpoint ${endpoint.toString(16)}`;
      assert.deepEqual(fieldsOf(own.submission), fieldsOf(submission), `${where}, submission`);
      if (completion === undefined || TAKEN_BACK.has(completion.status)) takenBack++;
      else {
        assert(own.completion !== undefined, `${where} did not complete`);
        assert.deepEqual(fieldsOf(own.completion), fieldsOf(completion), `${where}, completion`);
      }
      urbs[submission.transferType]!++;
    }
  }
  return { urbs, takenBack };
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
