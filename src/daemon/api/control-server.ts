import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { printAddress, type TcpAddress } from "../../links/address.ts";
import { untilListening } from "../../links/listener.ts";
import { VERSION } from "../version.ts";
import { isForAgent, relayToAgent } from "./agent-relay.ts";
import { API_LIMITS, type ApiLimits } from "./api-limits.ts";
import type { ControlPlace, DaemonRole } from "./control-place.ts";
import { bindControlSocket } from "./control-socket.ts";
import { DashboardPages } from "./dashboard-pages.ts";
import { Refusal } from "./refusal.ts";
import { refuse, refuseHost } from "./request-guard.ts";
import { TokenFile, tokenPath } from "./token-file.ts";

/** What answers the requests that pass the guard. */
export type Answerer = (request: IncomingMessage, response: ServerResponse) => void;

export interface ControlOptions {
  readonly role: DaemonRole;
  readonly places: readonly ControlPlace[];
  /** Where the dashboard is served, and the API beside it. */
  readonly dashboard?: TcpAddress | undefined;
  /** Name or number of the group that may use the unix sockets. */
  readonly group?: string | undefined;
  /** Loads what answers: with the first request, so that a daemon nobody asks does not pay for it. */
  readonly load: () => Promise<Answerer>;
  readonly limits?: ApiLimits;
}

const LOOK_MS = 1_000;
/** Node looks for requests that are late as long as it listens, also when nobody is there: no sooner than a sign of life. */
const LATE_LOOK_MS = 5_000;

/** Carries the control API: sockets, the guard before it, and what clients may cost. */
export class ControlServer {
  readonly #options: ControlOptions;
  readonly #limits: ApiLimits;
  readonly #servers: Server[] = [];
  readonly #sockets = new Map<Socket, { takenBytes: number; progressMs: number }>();
  /** Connections whose request is being answered. */
  readonly #answering = new WeakSet<object>();
  readonly #addresses: string[] = [];
  #dashboard: string | undefined;
  #token: TokenFile | undefined;
  #answerer: Promise<Answerer> | undefined;
  #patrol: NodeJS.Timeout | undefined;

  private constructor(options: ControlOptions) {
    this.#options = options;
    this.#limits = options.limits ?? API_LIMITS;
  }

  /** Listens everywhere or nowhere; rejects with a LinkError, WrongUsage, AccessDenied or Failed. */
  static async start(options: ControlOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    try {
      for (const place of options.places) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, so that the first failure is the one to tell
        control.#addresses.push(await control.#listen(place));
      }
      const { dashboard } = options;
      if (dashboard !== undefined) {
        const address = await control.#listen(dashboard, new DashboardPages());
        control.#dashboard = `http://${address.slice("tcp:".length)}/`;
      }
    } catch (error) {
      control.stop();
      throw error;
    }
    return control;
  }

  /** Where it listens, as a person writes it. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** The URL of the dashboard, if it is served. */
  get dashboard(): string | undefined {
    return this.#dashboard;
  }

  /** Where the token of clients over TCP stands, if any may come. */
  get tokenPath(): string | undefined {
    return this.#token?.path;
  }

  /** Open ones, whoever they are. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Nobody new is heard; the answers to those who are here go on. */
  refuseNew(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }

  stop(): void {
    this.refuseNew();
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#token?.remove();
    clearInterval(this.#patrol);
  }

  /** As which address it does. */
  async #listen(place: ControlPlace, pages?: DashboardPages): Promise<string> {
    const { connections, headBytes, requestMs, idleMs } = this.#limits;
    const server = createServer({
      maxHeaderSize: headBytes,
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: LATE_LOOK_MS,
    });
    server.maxConnections = connections;
    server.maxHeadersCount = 64;
    server.on("connection", (socket) => this.#connected(socket));
    server.on("clientError", (error, socket) => this.#broken(error, socket as Socket));
    server.on("checkExpectation", (_request, response: ServerResponse) => {
      answer(
        response,
        new Refusal("BAD_REQUEST", "this expectation cannot be met. Leave out the header Expect."),
      );
    });
    this.#servers.push(server);
    if (place.kind === "unix") {
      const { role, group } = this.#options;
      this.#serve(server, place, undefined);
      await bindControlSocket(server, place, role, group);
      return printAddress(place);
    }
    const path = tokenPath(this.#options.role);
    await untilListening(server, { host: place.host, port: place.port }, place);
    // Not before: where another daemon listens its token stays. Nobody is heard until then.
    this.#token ??= TokenFile.create(path);
    this.#serve(server, place, this.#token, pages && { pages, place });
    return printAddress({ ...place, port: (server.address() as AddressInfo).port });
  }

  #serve(
    server: Server,
    place: ControlPlace,
    token: TokenFile | undefined,
    dashboard?: { readonly pages: DashboardPages; readonly place: TcpAddress },
  ): void {
    server.on("request", (request, response) => {
      response.setHeader("usbferry-version", VERSION);
      const { socket } = request;
      this.#answering.add(socket);
      response.once("close", () => this.#answering.delete(socket));
      dashboard?.pages.guard(response);
      if (dashboard?.pages.has(request) === true) {
        const refusal = refuseHost(request, dashboard.place);
        if (refusal !== undefined) answer(response, refusal);
        else void dashboard.pages.send(request, response);
        return;
      }
      const refusal = refuse(request, place, token);
      if (refusal !== undefined) answer(response, refusal);
      else if (dashboard !== undefined && isForAgent(request)) {
        relayToAgent(request, response, (refused) => answer(response, refused));
      } else void this.#answer(request, response);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#answerer ??= this.#options.load();
    (await this.#answerer)(request, response);
  }

  #connected(socket: Socket): void {
    this.#sockets.set(socket, { takenBytes: 0, progressMs: performance.now() });
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size > 0) return;
      clearInterval(this.#patrol);
      this.#patrol = undefined;
    });
    this.#patrol ??= setInterval(() => this.#cutStalled(), LOOK_MS).unref();
  }

  /** A client that takes nothing of its answer holds the memory of it. */
  #cutStalled(): void {
    const nowMs = performance.now();
    for (const [socket, seen] of this.#sockets) {
      const takenBytes = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || takenBytes !== seen.takenBytes) {
        seen.takenBytes = takenBytes;
        seen.progressMs = nowMs;
      } else if (nowMs - seen.progressMs >= this.#limits.stallMs) {
        socket.destroy();
      }
    }
  }

  /** What came is no request, or did not come whole. Behind a request in work there is no place for an answer. */
  #broken(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === "ECONNRESET" || this.#answering.has(socket)) {
      socket.destroy();
      return;
    }
    const refusal = refusalOfParser(error);
    const body = JSON.stringify(refusal.body);
    socket.end(
      `HTTP/1.1 ${refusal.status} Refused\r\nusbferry-version: ${VERSION}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
    socket.destroySoon();
  }
}

function refusalOfParser({ code }: NodeJS.ErrnoException): Refusal {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new Refusal(
        "TOO_LARGE",
        "the head of the request is too large. Send fewer and shorter headers.",
      );
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Refusal("REQUEST_TIMEOUT", "the request did not arrive in time. Send it in one go.");
    default:
      return new Refusal("BAD_REQUEST", "this is no HTTP/1.1 request. Use an HTTP client, for example curl.");
  }
}

/** Refuses without a look at the body, which may never come. */
function answer(response: ServerResponse, refusal: Refusal): void {
  const body = JSON.stringify(refusal.body);
  response.writeHead(refusal.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}
