import type { IncomingMessage, RequestOptions } from "node:http";
import { printAddress } from "../../links/address.ts";
import { linkError } from "../../links/link-error.ts";
import { AccessDenied, Failed, WrongUsage } from "../failure.ts";
import { VERSION } from "../version.ts";
import type { ControlPlace, DaemonRole } from "./control-place.ts";
import { readToken, tokenPath } from "./token-file.ts";

/** One request of the control API. */
export interface Question {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

/** Who listened there went away before the answer was whole. */
export class DaemonGone extends Failed {}

/** The daemon has no such session, port, gadget or path. */
export class Unknown extends Failed {}

/** Far above what a host with all its sessions answers. */
const ANSWER_BYTES = 16 << 20;

/**
 * Asks a daemon; nothing if none listens there. Rejects with what the daemon had to reject, with DaemonGone, or with
 * a LinkError. An aborted signal takes the question back.
 */
export async function askDaemon<T>(
  place: ControlPlace,
  role: DaemonRole,
  question: Question,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const message = await unlessAbsent(place, begin(place, role, question, signal));
  if (message === undefined) return undefined;
  const document = await wholeDocument(message, place);
  if (message.statusCode === 200) return document as T;
  throw failureOf(document, place, versionOf(message, place));
}

/** The same for an answer that has no end of its own: it is aborted by the signal, or destroyed. */
export async function openDaemonStream(
  place: ControlPlace,
  role: "serve" | "agent",
  path: string,
  signal: AbortSignal,
): Promise<IncomingMessage | undefined> {
  const message = await unlessAbsent(place, begin(place, role, { method: "GET", path }, signal));
  if (message === undefined || message.statusCode === 200) return message;
  throw failureOf(await wholeDocument(message, place), place, versionOf(message, place));
}

/** Nothing if nobody listens there. */
async function unlessAbsent<T>(place: ControlPlace, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || code === "ENOENT") return undefined;
    if (code === "ECONNRESET" || code === "EPIPE" || code?.startsWith("HPE_") === true) {
      throw new DaemonGone(
        `${printAddress(place)} ended before it answered, or is of another version. Look at its log.`,
      );
    }
    if (code === undefined) throw error;
    throw linkError("dial", printAddress(place), error as NodeJS.ErrnoException);
  }
}

async function wholeDocument(message: IncomingMessage, place: ControlPlace): Promise<unknown> {
  const text = await unlessAbsent(place, whole(message));
  versionOf(message, place);
  return readDocument(text ?? "", place);
}

function versionOf({ headers }: IncomingMessage, place: ControlPlace): string {
  const version = String(headers["usbferry-version"] ?? "");
  if (version !== "") return version;
  throw new Failed(
    `what listens at ${printAddress(place)} is no usbferry of version ${VERSION}. Check the path.`,
  );
}

async function begin(
  place: ControlPlace,
  role: DaemonRole,
  { method, path, body }: Question,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const { request } = await import("node:http");
  const bytes = method === "POST" ? JSON.stringify(body ?? {}) : undefined;
  const options: RequestOptions = {
    method,
    path,
    agent: false,
    ...(place.kind === "unix" ? { socketPath: place.path } : { host: place.host, port: place.port }),
    headers: {
      ...(bytes !== undefined && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(bytes),
      }),
      ...(place.kind === "tcp" && { authorization: `Bearer ${readToken(tokenPath(role))}` }),
    },
    ...(signal !== undefined && { signal }),
  };
  return new Promise((resolve, reject) => {
    const asking = request(options, resolve);
    asking.on("error", reject);
    asking.end(bytes);
  });
}

function whole(message: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytesRead = 0;
    message.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytesRead += chunk.length;
      if (bytesRead > ANSWER_BYTES) message.destroy();
    });
    message.on("error", reject);
    message.on("close", () => {
      if (message.complete) resolve(Buffer.concat(chunks).toString());
      else reject(Object.assign(new Error("cut"), { code: "ECONNRESET" }));
    });
  });
}

function readDocument(text: string, place: ControlPlace): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failed(
      `what ${printAddress(place)} answers is no JSON. Check that a usbferry daemon listens there.`,
    );
  }
}

/** The failure that the daemon had, as if it had happened here. */
function failureOf(document: unknown, place: ControlPlace, version: string): Error {
  const { code, message } = document as { readonly code?: unknown; readonly message?: unknown };
  const text = String(message);
  switch (code) {
    case "WRONG_USAGE":
      return new WrongUsage(text);
    case "ACCESS_DENIED":
    case "UNAUTHORIZED":
    case "FORBIDDEN_ORIGIN":
      return new AccessDenied(text);
    case "DEFECT":
      return new Error(text);
    case "NOT_FOUND":
    case "BAD_REQUEST":
      if (version !== VERSION) return otherVersion(place, version);
      return code === "NOT_FOUND" ? new Unknown(text) : new Failed(text);
    default:
      return new Failed(text);
  }
}

function otherVersion(place: ControlPlace, version: string): Failed {
  return new Failed(
    `the daemon at ${printAddress(place)} is of version ${version}, this command of ${VERSION}. End it (an agent with ` +
      "`usbferry detach --all`, a host where it was started) and try again.",
  );
}
