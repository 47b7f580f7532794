/** TRBs of one TD; Linux' largest are those of 1 MiB in pages: 256. */
export const TD_TRBS_MAX = 4096;
/** Bytes of one TD. */
export const TD_BYTES_MAX = 16 << 20;
/** Link TRBs in a row. They are legal, and a ring of nothing else has no end. */
export const LINKS_MAX = 256;

/** Transfers that one endpoint has under way; what else stands in its ring waits there. */
export const TRANSFERS_PER_ENDPOINT = 32;
/** Likewise for isochronous endpoints, whose transfers are batches of TDs. */
export const BATCHES_PER_ENDPOINT = 4;
/** Data of all transfers under way. */
export const BYTES_IN_FLIGHT = 64 << 20;
/** TRBs of all transfers under way: each is kept until its events are written. */
export const TRBS_IN_FLIGHT = 64 << 10;

/** TRBs that are walked until everything else on the loop has its turn. */
export const TRBS_PER_TURN = 1024;
/** TRBs that an endpoint walks for one doorbell: more than any ring that ends has. */
export const TRBS_PER_DOORBELL = 64 << 10;
/** Likewise commands. */
export const COMMANDS_PER_DOORBELL = 4096;

/** Events that wait for room in a full ring; nothing is begun meanwhile, so only what is under way can add to them. */
export const HELD_EVENTS_MAX = 4096;
/** Transfers under way on the whole controller. */
export const TRANSFERS_IN_FLIGHT = 2048;
