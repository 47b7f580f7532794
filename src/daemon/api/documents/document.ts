import { type TProperties, type TSchema, Type } from "@sinclair/typebox";

/**
 * The JSON documents of the control API. A titled one becomes a component of the OpenAPI document under its title.
 * Nothing but what is named here is taken or given.
 */
export function document<P extends TProperties>(
  title: string,
  properties: P,
  about: { description?: string } = {},
) {
  return Type.Object(properties, { title, ...about, additionalProperties: false });
}

export function plain<P extends TProperties>(properties: P, about: { description?: string } = {}) {
  return Type.Object(properties, { ...about, additionalProperties: false });
}

export function oneOf<const V extends string>(...values: readonly V[]) {
  return Type.Unsafe<V>(Type.Union(values.map((value) => Type.Literal(value))));
}

export const Count = Type.Integer({ minimum: 0 });

export const Byte = Type.Integer({ minimum: 0, maximum: 255 });

export const Time = Type.String({ description: "ISO 8601", examples: ["2026-01-31T12:00:00.000Z"] });

export const Hex4 = Type.String({ pattern: "^[0-9a-f]{4}$", examples: ["0525"] });

export const BusId = Type.String({ examples: ["zero"] });

/** Of any failure, whatever its status. */
export const ErrorBody = document(
  "Error",
  {
    code: Type.String({ description: "stable; a heading of docs/errors.md", examples: ["NOT_FOUND"] }),
    message: Type.String({ description: "what happened, why, and what to do next" }),
  },
  { description: "The one shape of every failure." },
);

/** What the states of host and agent begin with. */
export const running = {
  version: Type.String({ examples: ["0.1.0"] }),
  pid: Count,
  since: Time,
  sequence: Type.Integer({ description: "of the last event: resume behind it, and nothing is missed" }),
};

/** What a client names: checked further where it is read. */
export const DeviceText = Type.String({ minLength: 1, maxLength: 256, examples: ["1-2"] });

/** Of a request that needs no more than to be made. */
export const Nothing = document("Nothing", {});

/** Answers of a route: the good one, and the one shape of every failure. */
export function answers<S extends TSchema>(schema: S, description: string): Answers<S> {
  return { 200: { ...schema, description }, "4xx": ErrorBody, "5xx": ErrorBody };
}

interface Answers<S extends TSchema> {
  readonly 200: S;
  readonly "4xx": typeof ErrorBody;
  readonly "5xx": typeof ErrorBody;
}

/** What a schema allows, from hands that do not change it any more. */
export type Given<T> = T extends object ? { readonly [K in keyof T]: Given<T[K]> } : T;
