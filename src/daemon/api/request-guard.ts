import type { IncomingMessage } from "node:http";
import { printHostPort, type TcpAddress } from "../../links/address.ts";
import type { ControlPlace } from "./control-place.ts";
import { notJson, Refusal } from "./refusal.ts";
import type { TokenFile } from "./token-file.ts";

/**
 * Why a request is not even looked at: it comes from a web page of another origin, by a name that somebody has
 * pointed here (DNS rebinding), without the token, or with a body that a page can send without being asked.
 */
export function refuse(
  request: IncomingMessage,
  place: ControlPlace,
  token: TokenFile | undefined,
): Refusal | undefined {
  return refuseOrigin(request, place) ?? refuseToken(request, token) ?? refuseBody(request);
}

function refuseOrigin(request: IncomingMessage, place: ControlPlace): Refusal | undefined {
  const { origin, host = "" } = request.headers;
  const site = request.headers["sec-fetch-site"];
  if (place.kind === "unix") {
    return origin === undefined && site === undefined
      ? undefined
      : forbidden("requests of web pages have no business at this socket");
  }
  const refused = refuseHost(request, place);
  if (refused !== undefined) return refused;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    return forbidden("the Origin header names another origin");
  }
  return site === undefined || site === "same-origin" || site === "none"
    ? undefined
    : forbidden("the Sec-Fetch-Site header tells of another origin");
}

/** Why a request by this name is not looked at: somebody else may have pointed it here. */
export function refuseHost({ headers, socket }: IncomingMessage, place: TcpAddress): Refusal | undefined {
  const { host } = headers;
  const names = ["localhost", "127.0.0.1", "::1", place.host];
  // Who names the very address that the connection arrived at was not led here by a name.
  if (socket.localAddress !== undefined) names.push(socket.localAddress.replace(/^::ffff:/, ""));
  const hosts = names.map((name) => printHostPort(name, socket.localPort ?? place.port));
  return host !== undefined && hosts.includes(host.toLowerCase())
    ? undefined
    : forbidden(`the Host header names none of ${hosts.slice(0, 4).join(", ")}`);
}

/** Who watches over a daemon may not be who uses it. */
const WITHOUT_TOKEN = "/health";

function refuseToken({ url, headers }: IncomingMessage, token: TokenFile | undefined): Refusal | undefined {
  if (url === WITHOUT_TOKEN || token === undefined || token.accepts(headers.authorization)) return undefined;
  return new Refusal(
    "UNAUTHORIZED",
    'the token is missing or wrong. Send the header "authorization: Bearer TOKEN" with what is in the token file, ' +
      "whose path the daemon has printed at its start.",
  );
}

/** A page may send any form and text without being asked, JSON only after asking, which nothing here allows. */
function refuseBody({ method, headers }: IncomingMessage): Refusal | undefined {
  if (method === "GET" || method === "HEAD") return undefined;
  const type = headers["content-type"];
  if (type === undefined && method !== "POST") return undefined;
  return /^application\/json *(;.*)?$/i.test(type ?? "") ? undefined : notJson();
}

function forbidden(reason: string): Refusal {
  return new Refusal(
    "FORBIDDEN_ORIGIN",
    `${reason}. Ask from a program of this machine, not from a web page.`,
  );
}
