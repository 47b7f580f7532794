import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

/**
 * A function of a library. Addresses go in as numbers, or as the array that they are of; those that come out are numbers. On
 * no platform that this runs on is there memory beyond 2^53.
 */
export interface ForeignFunction {
  (...parameters: readonly unknown[]): number;
  /** In a thread of libuv's; `done` runs in the event loop. Arrays are to be kept until then. */
  async(...parameters: readonly [...unknown[], (error: unknown, result: number) => void]): void;
}

/** A library of this machine that is no part of usbferry, on every platform that koffi knows. */
export class ForeignLibrary {
  readonly #koffi: Koffi;
  readonly #library: ReturnType<Koffi["load"]>;

  private constructor(koffi: Koffi, library: ReturnType<Koffi["load"]>) {
    this.#koffi = koffi;
    this.#library = library;
  }

  /** The first of these that there is, by name or by path. Without any the answer is why the first one is none. */
  static load(names: readonly string[]): ForeignLibrary | Error {
    let failure: Error | undefined;
    try {
      const koffi = createRequire(import.meta.url)("koffi") as Koffi;
      for (const name of names) {
        try {
          return new ForeignLibrary(koffi, koffi.load(name));
        } catch (error) {
          failure ??= error as Error;
        }
      }
    } catch (error) {
      failure = error as Error;
    }
    return failure ?? new Error("no name of a library");
  }

  /** Declared as in C. Throws if the library has no such function. */
  function(declaration: string): ForeignFunction {
    return this.#library.func(declaration);
  }

  /**
   * A function of ours that C can call, declared as in C, with addresses as parameters: on this thread, inside of a call that
   * this thread has made. `free` it when nobody will call it any more.
   */
  callback(
    declaration: string,
    called: (...parameters: readonly unknown[]) => number,
  ): { readonly address: number; readonly free: () => void } {
    const address = this.#koffi.register(called, this.#koffi.pointer(this.#koffi.proto(declaration)));
    return { address: Number(address), free: () => this.#koffi.unregister(address) };
  }

  /** Where a function of the library is. */
  symbol(name: string): number {
    return Number(this.#koffi.address(this.#library.symbol(name)));
  }

  /** Bytes of a pointer. */
  get pointerSize(): number {
    return this.#koffi.sizeof("void *");
  }

  /** Where the bytes of a buffer are in memory. It does not keep them there. */
  address(buffer: ArrayBufferLike): bigint {
    return this.#koffi.address(buffer);
  }

  /** The bytes at an address. It does not keep them there. */
  view(address: number, length: number): ArrayBuffer {
    return this.#koffi.view(BigInt(address), length);
  }

  /** The text at an address, which ends with a zero. */
  text(address: number): string {
    return this.#koffi.decode.string(BigInt(address));
  }
}
