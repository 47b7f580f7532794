/** Modifier keys: byte 0 of a boot keyboard report (HID 1.11 §8.3). */
export const Modifier = {
  leftControl: 0x01,
  leftShift: 0x02,
  leftAlt: 0x04,
  leftGui: 0x08,
  rightControl: 0x10,
  rightShift: 0x20,
  rightAlt: 0x40,
  rightGui: 0x80,
} as const;

export interface Key {
  /** HID Usage Tables, page 0x07. */
  readonly usage: number;
  readonly modifiers: number;
}

/** Characters in the order of usages from `first`, without and with shift. */
const ROWS: readonly { first: number; plain: string; shifted: string }[] = [
  { first: 0x04, plain: "abcdefghijklmnopqrstuvwxyz", shifted: "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
  { first: 0x1e, plain: "1234567890", shifted: "!@#$%^&*()" },
  { first: 0x28, plain: "\n", shifted: "" },
  { first: 0x2b, plain: "\t -=[]\\", shifted: "" },
  { first: 0x2d, plain: "", shifted: "_+{}|" },
  { first: 0x33, plain: ";'`,./", shifted: ':"~<>?' },
];

/** The keys of a US keyboard by the character they type. */
export const US_LAYOUT: ReadonlyMap<string, Key> = layOut();

function layOut(): Map<string, Key> {
  const keys = new Map<string, Key>();
  for (const { first, plain, shifted } of ROWS) {
    for (const [i, character] of Array.from(plain).entries()) {
      keys.set(character, { usage: first + i, modifiers: 0 });
    }
    for (const [i, character] of Array.from(shifted).entries()) {
      keys.set(character, { usage: first + i, modifiers: Modifier.leftShift });
    }
  }
  return keys;
}
