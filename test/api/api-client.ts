import { type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";

/** Where the API of a test listens. */
export type Place = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request over a connection of its own, with exactly these headers. */
export function call(place: Place, { method, path, headers = {}, body }: Call): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const asking = request(
      { ...place, method, path, agent: false, headers: { ...length, ...headers }, timeout: 20_000 },
      (message) => {
        answered = true;
        let text = "";
        message.setEncoding("utf8");
        message.on("data", (chunk: string) => {
          text += chunk;
        });
        message.on("error", reject);
        message.on("close", () => reject(new Error(`${method} ${path}: the answer was cut`)));
        message.on("end", () => {
          resolve({ status: message.statusCode!, headers: message.headers, text });
          asking.destroy();
        });
      },
    );
    // A daemon that refuses early does not read the rest of a body.
    asking.on("error", (error) => {
      if (!answered) reject(error);
    });
    asking.on("timeout", () => asking.destroy(new Error(`${method} ${path} was not answered`)));
    asking.end(body);
  });
}

export async function json(place: Place, path: string, method = "GET", body?: object): Promise<unknown> {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const reply = await call(place, {
    method,
    path,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
  return JSON.parse(reply.text);
}

/** Sends bytes as they are and tells everything that comes back until the other side closes. */
export function talk(place: Place, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(place);
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
    });
    socket.on("close", () => resolve(text));
    socket.setTimeout(30_000, () => socket.destroy(new Error("it was not closed")));
    socket.write(bytes);
  });
}

export function open(place: Place): Socket {
  return "socketPath" in place ? connect(place.socketPath) : connect(place.port, place.host);
}
