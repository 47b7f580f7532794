import { TransferStatus } from "../usb/urb.ts";
import { Exchange } from "./exchange.ts";

const { ok } = TransferStatus;

/** The exchanges of one device, by tag, each used again and again. */
export class ExchangeTable {
  readonly #exchanges: Exchange[] = [];
  readonly #free: Exchange[] = [];

  /** Those that were taken and not given back. */
  get used(): number {
    return this.#exchanges.length - this.#free.length;
  }

  at(tag: number): Exchange {
    return this.#exchanges[tag]!;
  }

  take(): Exchange {
    const exchange = this.#free.pop() ?? this.#another();
    const { urb } = exchange;
    exchange.moved = 0;
    urb.status = ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    return exchange;
  }

  give(exchange: Exchange): void {
    this.#free.push(exchange);
  }

  #another(): Exchange {
    const exchange = new Exchange(this.#exchanges.length);
    this.#exchanges.push(exchange);
    return exchange;
  }
}
