/** Why a command failed: sense key, additional sense code and its qualifier (SPC-4 §4.5, annex F). */
export interface Sense {
  readonly key: number;
  readonly code: number;
  readonly qualifier: number;
}

function sense(key: number, code: number, qualifier = 0): Sense {
  return { key, code, qualifier };
}

export const SenseOf = {
  none: sense(0x0, 0x00),
  /** Stopped by START STOP UNIT: it wants a START first. */
  stopped: sense(0x2, 0x04, 0x02),
  unrecoveredReadError: sense(0x3, 0x11),
  writeError: sense(0x3, 0x0c),
  parameterListLengthError: sense(0x5, 0x1a),
  invalidOperationCode: sense(0x5, 0x20),
  addressOutOfRange: sense(0x5, 0x21),
  invalidFieldInCommand: sense(0x5, 0x24),
  savingNotSupported: sense(0x5, 0x39),
  writeProtected: sense(0x7, 0x27),
} as const;

/** Fixed format, current error (SPC-4 §4.5.3). */
export function fixedSense({ key, code, qualifier }: Sense): Uint8Array {
  const bytes = new Uint8Array(18);
  bytes[0] = 0x70;
  bytes[2] = key;
  bytes[7] = bytes.length - 8;
  bytes[12] = code;
  bytes[13] = qualifier;
  return bytes;
}
