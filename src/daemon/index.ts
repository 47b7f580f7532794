export type { Log } from "./log.ts";
export { type ShareOptions, type Sharing, share } from "./share.ts";
