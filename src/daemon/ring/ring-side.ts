/** Either side of a ring, as whoever drives it sees it. */
export interface RingSide {
  /** Does a bounded amount of work. True: there may be more. */
  poll(): boolean;
  /** A look that costs less, for when `poll` has just found nothing: false while no message came, and none waits to be sent. */
  readonly hasNews: boolean;
  /** Says that this side goes to sleep, until the other one rings. False: there is something to do first. */
  sleep(): boolean;
  /** Says that this side looks by itself. */
  awake(): void;
}
