export type Direction = "in" | "out" | "echo";

/** One question to a server: transfers of `size` bytes, `depth` of them in flight. */
export interface Case {
  readonly direction: Direction;
  readonly size: number;
  readonly depth: number;
}

const KIB = 1 << 10;
const SIZES = [512, 16 * KIB, 64 * KIB, 1024 * KIB];
const QUICK_SIZES = [512, 16 * KIB];
const DEPTHS = [1, 32];

export function cases(quick: boolean): readonly Case[] {
  const sizes = quick ? QUICK_SIZES : SIZES;
  return (["in", "out", "echo"] as const).flatMap((direction) =>
    sizes.flatMap((size) => DEPTHS.map((depth) => ({ direction, size, depth }))),
  );
}

export function printCase({ direction, size, depth }: Case): string {
  const length =
    size < KIB ? `${size} B` : size < KIB * KIB ? `${size / KIB} KiB` : `${size / KIB / KIB} MiB`;
  return `${direction.toUpperCase()} ${length}, depth ${depth}`;
}

/** Whether a text of the command line means this case; an empty one means all. */
export function isNamed(one: Case, text: string): boolean {
  return printCase(one).toLowerCase().includes(text.toLowerCase());
}
