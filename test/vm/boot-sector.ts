export const SECTOR = 512;
/** Where QEMU's debug console listens. */
export const DEBUG_PORT = 0x402;
/** Up to where the firmware's first segment ends. */
export const READ_SECTORS = 64;

/** Where the firmware loads a boot sector. */
const ORIGIN = 0x7c00;
const BUFFER = 0x8000;
const PACKET_AT = 0x40;
const SIGNATURE_AT = 510;

/**
 * A boot sector that reads the sectors behind itself by INT 13h, function 42h, and writes them to the debug console; an
 * exclamation mark if they cannot be read.
 */
export function bootSector(): Buffer {
  const code = [
    "fa", // cli
    "31 c0", // xor ax, ax
    "8e d8", // mov ds, ax
    "8e d0", // mov ss, ax
    `bc ${word(ORIGIN)}`, // mov sp, ORIGIN
    "fc", // cld
    "fb", // sti
    `be ${word(ORIGIN + PACKET_AT)}`, // mov si, packet
    "b4 42", // mov ah, 42h
    "cd 13", // int 13h; dl is the drive
    `ba ${word(DEBUG_PORT)}`, // mov dx, DEBUG_PORT
    "72 0c", // jc failed
    `be ${word(BUFFER)}`, // mov si, BUFFER
    `b9 ${word(READ_SECTORS * SECTOR)}`, // mov cx, bytes
    "f3 6e", // rep outsb
    "fa", // halted: cli
    "f4", // hlt
    "eb fc", // jmp halted
    "b0 21", // failed: mov al, '!'
    "ee", // out dx, al
    "eb f7", // jmp halted
  ].join("");
  const sector = Buffer.alloc(SECTOR);
  sector.write(code.replaceAll(" ", ""), "hex");
  sector.writeUInt8(16, PACKET_AT); // disk address packet: its size
  sector.writeUInt16LE(READ_SECTORS, PACKET_AT + 2);
  sector.writeUInt16LE(BUFFER, PACKET_AT + 4);
  sector.writeUInt32LE(1, PACKET_AT + 8); // the first sector
  sector.writeUInt16LE(0xaa55, SIGNATURE_AT);
  return sector;
}

/** As the processor has it. */
function word(value: number): string {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes.toString("hex");
}
