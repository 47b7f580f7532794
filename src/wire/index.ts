export type { Field } from "./field.ts";
export { octets, s32, text, u8, u16, u32, u64 } from "./field.ts";
export type { ProtocolErrorCode } from "./protocol-error.ts";
export { ProtocolError } from "./protocol-error.ts";
export type { Fields, Struct, StructValue } from "./struct.ts";
export { bigEndian, littleEndian } from "./struct.ts";
