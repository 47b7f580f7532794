import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const POLLIN = 0x1;
const POLLOUT = 0x4;
/** POLLERR, POLLHUP and POLLNVAL come unasked. */
const TROUBLE = 0x8 | 0x10 | 0x20;
const EINTR = 4;

/** struct pollfd in 32-bit words; the second has `events` below and `revents` above (little endian). */
const WORDS = 2;
const REVENTS = 16;
const NONE = -1;
const FIRST_PLACES = 16;

/** Guesses that may come true in a row before the system is asked: other descriptors wait meanwhile. */
const GUESSES = 8;
/** Questions to the system after a guess that was wrong. */
const DOUBTS = 4;

/** Called when the descriptor can be read or written; both when it failed or was hung up. */
export type Ready = (readable: boolean, writable: boolean) => void;

/** One descriptor in a set. */
export interface PolledDescriptor {
  /** What to wait for from now on; at first nothing. Failures and hang-ups are told in any case. */
  wish(readable: boolean, writable: boolean): void;
  /**
   * It was just read, and may soon be readable again: `wait` may take it to be without asking the system, which costs as
   * much as a read that finds nothing.
   */
  expect(): void;
  /** Before the descriptor is closed. Doing it twice does nothing. */
  end(): void;
}

/** Descriptors that one thread waits for (poll(2)). Nothing is allocated while it waits and tells. */
export class PollSet {
  readonly #libc: Libc;
  #fds = new Int32Array(FIRST_PLACES * WORDS);
  #address: bigint;
  readonly #polled: (Polled | undefined)[] = [];
  readonly #free: number[] = [];
  #found = 0;
  /** What was expected since the last `wait`. */
  #expected: Polled | undefined;
  #isGuess = false;
  #guesses = 0;
  #doubts = 0;

  private constructor(c: Libc) {
    this.#libc = c;
    this.#address = c.address(this.#fds.buffer);
  }

  static open(): PollSet | SystemError {
    const c = libc();
    return c instanceof SystemError ? c : new PollSet(c);
  }

  add(fd: number, ready: Ready): PolledDescriptor {
    const place = this.#free.pop() ?? this.#grow();
    const polled = new Polled(this, place, ready);
    this.#polled[place] = polled;
    this.put(polled, fd, 0);
    return polled;
  }

  /** Forgets too what was found out about this place and not told yet: the next round finds it again. */
  put(polled: Polled, fd: number | undefined, events: number): void {
    if (this.#polled[polled.place] !== polled) return;
    const word = polled.place * WORDS;
    if (fd !== undefined) this.#fds[word] = fd;
    this.#fds[word + 1] = events;
  }

  expect(polled: Polled): void {
    this.#expected = polled;
  }

  remove(polled: Polled): void {
    if (this.#polled[polled.place] !== polled) return;
    if (this.#expected === polled) this.#expected = undefined;
    this.put(polled, NONE, 0);
    this.#polled[polled.place] = undefined;
    this.#free.push(polled.place);
  }

  /** Waits for so long at most, for ever if negative, or until a descriptor is ready. `tell` is to follow. */
  wait(timeoutMs: number): SystemError | undefined {
    this.#isGuess = this.#canGuess();
    if (this.#isGuess) return undefined;
    this.#found = this.#libc.poll(this.#address, this.#polled.length, timeoutMs);
    if (this.#found >= 0) return undefined;
    const errno = this.#libc.errno();
    return errno === EINTR ? undefined : new SystemError("poll", errno);
  }

  /** Calls for every descriptor that `wait` has found ready. */
  tell(): void {
    if (this.#isGuess) {
      const guessed = this.#expected!;
      this.#expected = undefined;
      guessed.ready(true, false);
      return;
    }
    const places = this.#polled.length;
    for (let place = 0; place < places && this.#found > 0; place++) {
      const events = this.#fds[place * WORDS + 1]! >> REVENTS;
      if (events === 0) continue;
      this.#found--;
      const trouble = (events & TROUBLE) !== 0;
      this.#polled[place]?.ready(trouble || (events & POLLIN) !== 0, trouble || (events & POLLOUT) !== 0);
    }
  }

  #canGuess(): boolean {
    const wasWrong = this.#isGuess && this.#expected === undefined;
    if (wasWrong) this.#doubts = DOUBTS;
    if (this.#expected !== undefined && this.#doubts === 0 && this.#guesses > 0) {
      this.#guesses--;
      return true;
    }
    this.#expected = undefined;
    this.#guesses = GUESSES;
    if (this.#doubts > 0) this.#doubts--;
    return false;
  }

  #grow(): number {
    const place = this.#polled.length;
    this.#polled.push(undefined);
    if (place * WORDS === this.#fds.length) {
      const fds = new Int32Array(this.#fds.length * 2);
      fds.set(this.#fds);
      this.#fds = fds;
      this.#address = this.#libc.address(fds.buffer);
    }
    return place;
  }
}

class Polled implements PolledDescriptor {
  readonly place: number;
  readonly ready: Ready;
  readonly #set: PollSet;

  constructor(set: PollSet, place: number, ready: Ready) {
    this.#set = set;
    this.place = place;
    this.ready = ready;
  }

  wish(readable: boolean, writable: boolean): void {
    this.#set.put(this, undefined, (readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
  }

  expect(): void {
    this.#set.expect(this);
  }

  end(): void {
    this.#set.remove(this);
  }
}
