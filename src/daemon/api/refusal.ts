import { failureKind } from "../failure.ts";
import type { Log } from "../log.ts";

/** Codes of the control API's refusals. Each is a heading of docs/errors.md. */
export type RefusalCode =
  /** The request is not what the document says. */
  | "BAD_REQUEST"
  /** Without the token, or with a wrong one. */
  | "UNAUTHORIZED"
  /** From a web page, or by a name that is not this API's. */
  | "FORBIDDEN_ORIGIN"
  /** There is no such path, session, port or gadget. */
  | "NOT_FOUND"
  /** The dashboard was asked for what an agent knows, and none runs. */
  | "NO_AGENT"
  /** The request, its head or its body is too large. */
  | "TOO_LARGE"
  /** A body that is not JSON. */
  | "NOT_JSON"
  /** The request did not arrive in time. */
  | "REQUEST_TIMEOUT"
  /** Too many clients do this at once. */
  | "TOO_MANY_CLIENTS"
  /** The daemon runs and cannot do its work. */
  | "UNHEALTHY"
  | "WRONG_USAGE"
  | "ACCESS_DENIED"
  | "FAILED"
  | "DEFECT";

const STATUS: Readonly<Record<RefusalCode, number>> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN_ORIGIN: 403,
  NOT_FOUND: 404,
  NO_AGENT: 404,
  TOO_LARGE: 413,
  NOT_JSON: 415,
  REQUEST_TIMEOUT: 408,
  TOO_MANY_CLIENTS: 503,
  UNHEALTHY: 503,
  WRONG_USAGE: 422,
  ACCESS_DENIED: 403,
  FAILED: 409,
  DEFECT: 500,
};

/** A request that is not carried out. `message` says what happened, why, and what to do next. */
export class Refusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }

  get status(): number {
    return STATUS[this.code];
  }

  /** The one shape of every failure. */
  get body(): { readonly code: RefusalCode; readonly message: string } {
    return { code: this.code, message: this.message };
  }
}

const DOCUMENT = "GET /openapi.json describes every request.";

export function badRequest(reason: string): Refusal {
  return new Refusal("BAD_REQUEST", `${reason.slice(0, 300)}. ${DOCUMENT}`);
}

export function noSuchPath(path: string): Refusal {
  return new Refusal("NOT_FOUND", `there is no ${path.slice(0, 300)}. ${DOCUMENT}`);
}

/** What a route or the framework has thrown, as an answer. A defect is told in the log, and not to the client. */
export function refusalOf(error: unknown, log: Log): Refusal {
  if (error instanceof Refusal) return error;
  const kind = failureKind(error);
  const message = error instanceof Error ? error.message : String(error);
  switch (kind) {
    case "wrong usage":
      return new Refusal("WRONG_USAGE", message);
    case "access denied":
      return new Refusal("ACCESS_DENIED", message);
    case "failed":
      return new Refusal("FAILED", message);
    case "defect": {
      const status = (error as { readonly statusCode?: unknown } | undefined)?.statusCode;
      if (status === 413) return new Refusal("TOO_LARGE", `the body is larger than it may be. ${DOCUMENT}`);
      if (status === 415) return notJson();
      if (status === 404 || status === 414) return noSuchPath("such path");
      if (typeof status === "number" && status >= 400 && status < 500) return badRequest(message);
      const stack = error instanceof Error ? error.stack : undefined;
      log.warn({ code: "DEFECT", stack }, `DEFECT in the control API: ${message}`);
      return new Refusal("DEFECT", "this is a defect of usbferry. Its log tells more: please report it.");
    }
  }
}

export function notJson(): Refusal {
  return new Refusal(
    "NOT_JSON",
    `the body has to be JSON. Send it with the header "content-type: application/json". ${DOCUMENT}`,
  );
}
