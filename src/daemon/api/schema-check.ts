import type { TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import type { FastifySchemaCompiler, FastifySerializerCompiler } from "fastify";
import { badRequest } from "./refusal.ts";

/** Checks a part of a request by its schema; nothing is changed or filled in. */
export const checkRequest: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = compiledWhenUsed(schema);
  return (value) => {
    const reason = firstError(check(), value);
    return reason === undefined ? { value } : { error: badRequest(`${nameOf(httpPart)}${reason}`) };
  };
};

/** Writes an answer, which has to be what its schema says: a difference is our own defect. */
export const writeAnswer: FastifySerializerCompiler<TSchema> = ({ schema, url }) => {
  const check = compiledWhenUsed(schema);
  return (value) => {
    const reason = firstError(check(), value);
    if (reason !== undefined) throw new Error(`the answer of ${url} breaks its schema: ${reason}`);
    return JSON.stringify(value);
  };
};

/** Most schemas of a daemon are never used. */
function compiledWhenUsed(schema: TSchema): () => TypeCheck<TSchema> {
  let compiled: TypeCheck<TSchema> | undefined;
  return () => {
    compiled ??= TypeCompiler.Compile(schema);
    return compiled;
  };
}

function firstError(check: TypeCheck<TSchema>, value: unknown): string | undefined {
  if (check.Check(value)) return undefined;
  const error = check.Errors(value).First();
  return `${error?.path ?? ""}: ${error?.message ?? "it is not what the schema says"}`;
}

function nameOf(part: string | undefined): string {
  return part === "params" ? "the path" : part === "querystring" ? "the query" : "the body";
}
