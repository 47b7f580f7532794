import { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { TransferCounters } from "../../src/usb/transfer-counters.ts";
import { BatchCounters } from "../../src/usbip/batch-counters.ts";

/**
 * Loaded before a host, in each of its threads: its sessions count nothing, and do not look at the clock for it. Nothing that goes
 * by the clock works then, but no transfer needs that.
 */
const nothing = (): void => {};
const counts = { submitted: nothing, refused: nothing };
Object.assign(TransferCounters.prototype, { ...counts, ended: nothing });
Object.assign(BatchCounters.prototype, { ...counts, begin: nothing, completed: nothing, end: nothing });
const never = (): number => 0;
LibuvLoop.prototype.now = never;
PollLoop.prototype.now = never;
