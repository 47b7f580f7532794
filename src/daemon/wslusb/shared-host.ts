import type { ListedDevice } from "../../usbip/device-list.ts";
import { Failed } from "../failure.ts";
import type { ReadyImport, RemoteHost } from "../remote-host.ts";
import { ANOTHER } from "../serial-question.ts";
import type { HostConnection } from "./host-connection.ts";

/** A conversation over a connection that others use, too. */
export class SharedHost implements RemoteHost {
  readonly #connection: HostConnection;
  readonly #release: () => void;
  #isClosed = false;

  constructor(connection: HostConnection) {
    this.#connection = connection;
    this.#release = connection.hold();
  }

  async list(): Promise<readonly ListedDevice[]> {
    const devices = await this.#connection.list();
    return devices.filter(({ isFree }) => isFree);
  }

  async import(busid: string): Promise<ReadyImport> {
    try {
      const ready = await this.#connection.import(busid);
      if (!this.#isClosed) return ready;
      ready.remote.close(ANOTHER);
      throw new Failed("it was cancelled.");
    } finally {
      this.#release();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
  }
}
