import { annotatedHex } from "../support/annotated-hex.ts";
import { joined, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { requireSame } from "./target.ts";

/** Full speed: one interface with an audio endpoint of nine bytes, a second configuration without endpoints. */
const FULL_SPEED = annotatedHex(`
  12 01 1001 00 00 00 08 0912 0200 0001 00 00 00 02  device
  09 02 2200 01 01 00 80 32                          configuration 1, 34 bytes
  09 04 00 00 01 01 02 00 00                         interface 0
  07 24 01 02 01 01 00                               class descriptor
  09 05 01 09 c800 01 00 00                          audio endpoint
  09 02 1200 01 02 00 c0 00                          configuration 2, 18 bytes
  09 04 00 00 00 03 00 00 00                         interface 0
`);

/** High speed: every transfer type, two alternate settings, an association, a high-bandwidth endpoint. */
const HIGH_SPEED = annotatedHex(`
  12 01 0002 ef 02 01 40 0912 0300 0001 01 02 03 01  device
  09 02 5500 02 01 00 a0 32                          configuration 1, 85 bytes
  08 0b 00 02 0e 03 00 00                            association
  09 04 00 00 03 0e 01 00 00                         interface 0
  07 05 81 02 0002 00                                bulk IN
  07 05 01 02 0002 00                                bulk OUT
  07 05 82 03 4000 04                                interrupt IN
  09 04 01 00 00 0e 02 00 00                         interface 1, setting 0
  09 04 01 01 01 0e 02 00 00                         interface 1, setting 1
  07 05 83 01 0014 01                                isochronous IN, 3 x 1024
  05 24 02 00 00                                     class descriptor
`);

/** Super speed: companions, a class descriptor between endpoint and companion. */
const SUPER_SPEED = annotatedHex(`
  12 01 2003 00 00 00 09 0912 0400 0001 00 00 00 01  device
  09 02 3d00 01 01 00 80 32                          configuration 1, 61 bytes
  09 04 00 00 02 08 06 50 00                         interface 0, setting 0
  07 05 81 02 0004 00                                bulk IN
  06 30 0f 00 0000                                   companion
  07 05 02 02 0004 00                                bulk OUT
  04 24 01 00                                        pipe usage
  06 30 0f 00 0000                                   companion
  07 05 83 01 0004 01                                isochronous IN
  06 30 03 02 0000                                   companion
`);

export const DEVICES: readonly Uint8Array[] = [FULL_SPEED, HIGH_SPEED, SUPER_SPEED];

/** The configurations of `DEVICES`, one by one. */
export const CONFIGURATIONS: readonly Uint8Array[] = DEVICES.flatMap((device) => {
  const found: Uint8Array[] = [];
  for (let at = device[0]!; at < device.length; ) {
    const total = device[at + 2]! | (device[at + 3]! << 8);
    found.push(device.subarray(at, at + total));
    at += total;
  }
  requireSame(
    found.reduce((sum, { length }) => sum + length, device[0]!),
    device.length,
    "length of the corpus",
  );
  return found;
});

/** Drops, doubles, swaps or edits whole descriptors; mostly sets wTotalLength right again. */
export function mutateDescriptors(input: Uint8Array, random: Random): Uint8Array {
  const list = slices(input);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(list.length);
    const chosen = list[at]!;
    switch (random.below(5)) {
      case 0:
        if (list.length > 1 && at > 0) list.splice(at, 1);
        break;
      case 1:
        list.splice(random.below(list.length) + 1, 0, chosen.slice());
        break;
      case 2: {
        const other = 1 + random.below(list.length);
        if (at > 0 && other < list.length) [list[at], list[other]] = [list[other]!, chosen];
        break;
      }
      default: {
        // Not the length and the type: they are what the other changes and the plain ones are for.
        const edited = chosen.slice();
        edited[2 + random.below(edited.length - 2)] = random.oneIn(2) ? random.below(4) : random.next();
        list[at] = edited;
      }
    }
  }
  if (!random.oneIn(8)) setTotalLengths(list);
  return joined(list);
}

function slices(bytes: Uint8Array): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += bytes[at]!) list.push(bytes.slice(at, at + bytes[at]!));
  return list;
}

function setTotalLengths(list: readonly Uint8Array[]): void {
  let total = 0;
  for (const descriptor of list.toReversed()) {
    total += descriptor.length;
    if (descriptor[1] !== 2) continue;
    putField(descriptor, 2, 2, "little", total);
    total = 0;
  }
}
