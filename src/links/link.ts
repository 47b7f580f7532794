import type { LinkError } from "./link-error.ts";

/** What is special about a carrier. */
export interface LinkTraits {
  /** It ends a link by itself whose peer has fallen silent. */
  readonly noticesSilence?: boolean | undefined;
  /** Bytes that one write(2) may have; where there are more, they go one write after the other. */
  readonly writeBytes?: number | undefined;
}

/** A connected byte stream, whatever carries it. Bytes arrive whole and in order. */
export interface Link extends LinkTraits {
  /** Who is at the other end, for people and logs. */
  readonly peer: string;
  /** The paired machine at the other end, where it has proved to be it. */
  readonly peerName?: string | undefined;
  /** Bytes handed to `write` that the other side's carrier has not taken yet. */
  readonly unsent: number;
  /** The stream socket that carries the bytes as they are: a kernel can take it over, then `destroy` the link. */
  readonly descriptor?: number | undefined;

  /**
   * Begins to read; until then nothing is read and nothing is lost. Called once.
   *
   * The bytes given to `receive` are valid during the call only. `ended` runs once, when the link is over in
   * both directions: when the peer closed it (after what was written has left), after `end` and the
   * peer's own end, after `destroy`, or after a failure, which alone has a cause. Nothing is received after it.
   */
  start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void;

  /**
   * Sends the chunks in one go where the carrier can. They belong to the link until `written` runs: once,
   * never inside `write`, when all of them were taken or the link is gone.
   */
  write(chunks: readonly Uint8Array[], written: () => void): void;

  /** Sends what was written, then says that no more will come. The peer may still send. */
  end(): void;

  /** Drops the link and what has not left yet. */
  destroy(): void;

  /**
   * Gives the connection away, where the carrier can. Nothing is received from the call on. When what was written
   * has left, `moved` gets a descriptor that is the caller's, and the link is over without a word: neither
   * to the peer nor by `ended`. If the link ends before, by whatever side, only `ended` runs. Where bytes go on to pass
   * here, `lost` tells that this has failed; the descriptor is to be closed then.
   */
  move?(moved: (fd: number) => void, lost?: (cause: LinkError) => void): void;
}

/** How long a link puts up with silence. */
export interface LinkLimits {
  /** A peer whose kernel does not answer for so long is gone. At least 2 s. */
  readonly silenceMs: number;
  /** How long dialling may take. */
  readonly dialMs: number;
}

export const LINK_LIMITS: LinkLimits = { silenceMs: 10_000, dialMs: 10_000 };
