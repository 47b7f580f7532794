export { GADGET_KINDS, type GadgetKind } from "../gadgets/catalog.ts";
export type { ServeRequest } from "./serve-plan.ts";
export { type Reload, Serving } from "./serving.ts";
