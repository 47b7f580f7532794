import type * as attachment from "../daemon/api/documents/attachment.ts";
import type * as device from "../daemon/api/documents/device.ts";
import type * as document from "../daemon/api/documents/document.ts";
import type * as figures from "../daemon/api/documents/figures.ts";
import type * as gadget from "../daemon/api/documents/gadget.ts";
import type * as host from "../daemon/api/documents/host.ts";

type Given<T extends { readonly static: unknown }> = document.Given<T["static"]>;
export type HostState = Given<typeof host.HostState>;
export type Device = Given<typeof device.Device>;
export type Session = Given<typeof host.Session>;
export type Rule = Given<typeof host.Rule>;
export type WantedDevice = Given<typeof host.WantedDevice>;
export type Figures = Given<typeof figures.Figures>;
export type DeviceFigures = Figures["devices"][number];
export type DeviceEvent = Given<typeof device.DeviceEvent>;
export type Nickname = Given<typeof host.Nickname>;
export type GadgetKind = Given<typeof gadget.GadgetKinds>["kinds"][number];
export type Images = Given<typeof gadget.Images>;
export type Plugged = Given<typeof gadget.Plugged>;
export type Bound = Given<typeof host.Bound>;
export type Unbound = Given<typeof host.Unbound>;
export type AttachedDevice = Given<typeof attachment.AttachedDevice>;
export type Ports = Given<typeof attachment.Ports>;
type ErrorBody = Given<typeof document.ErrorBody>;

/** What the host had to refuse; the message says what to do next. */
export class Refused extends Error {
  readonly code: string;

  constructor({ code, message }: ErrorBody) {
    super(message);
    this.code = code;
  }
}

/** The host gave no answer: it has ended, or cannot be reached. */
export class Unreachable extends Error {}

const KEY = "usbferry-token";

/** What lets this tab in: it came with the address, or was typed; other tabs and other origins do not have it. */
export const token = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (text: string): void => sessionStorage.setItem(KEY, text),
};

/** Takes the token out of the address, so that no bookmark and no glance over the shoulder gets it. */
export function takeToken(): void {
  const found = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  token.set(found);
  history.replaceState(null, "", location.pathname);
}

type Method = "GET" | "POST" | "DELETE";

/** One request. Rejects with Refused or Unreachable. */
export async function ask<T>(method: Method, path: string, body?: object): Promise<T> {
  const response = await send(method, path, body === undefined ? {} : { body: JSON.stringify(body) });
  const document = await response.json().catch(() => undefined);
  if (response.ok) return document as T;
  throw new Refused((document as ErrorBody | undefined) ?? notOurs(response));
}

/** The events behind that one, and those to come, as they come. */
export async function openEvents(after: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await send("GET", "/v1/events", { signal }, { "last-event-id": String(after) });
  if (response.ok && response.body !== null) return response.body;
  throw new Refused(((await response.json().catch(() => undefined)) as ErrorBody) ?? notOurs(response));
}

async function send(
  method: Method,
  path: string,
  more: RequestInit,
  moreHeaders: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${token.get()}`, ...moreHeaders };
  if (method === "POST") headers["content-type"] = "application/json";
  try {
    return await fetch(path, { method, headers, cache: "no-store", credentials: "omit", ...more });
  } catch (cause) {
    throw new Unreachable("The host does not answer. It may have been stopped.", { cause });
  }
}

function notOurs({ status }: Response): ErrorBody {
  return { code: "FAILED", message: `the host answered ${status} and nothing else. Look at its log.` };
}

/** What a person is told. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
