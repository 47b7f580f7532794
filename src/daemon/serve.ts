export { parseByteSize } from "../gadgets/byte-size.ts";
export { GADGET_KINDS, type GadgetKind } from "../gadgets/catalog.ts";
export { HandedSockets } from "../links/handed-sockets.ts";
export type { ServeRequest } from "./serve-plan.ts";
export { Serving } from "./serving.ts";
