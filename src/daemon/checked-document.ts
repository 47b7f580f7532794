import type { Static, TSchema } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { Value } from "@sinclair/typebox/value";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { Failed } from "./failure.ts";

/** Keys and positions from the top of a document to one of its values. */
export type DocumentPath = readonly (string | number)[];

/** A file of ours is of this size at most; what is longer is something else. */
export const DOCUMENT_BYTES = 8 << 20;

const FOUND_CHARACTERS = 60;
const REASON_CHARACTERS = 400;

/** A file in YAML or JSON that is what its schema asks for, and knows on which line each value stands. */
export class CheckedDocument<T> {
  readonly value: T;
  readonly #source: Source;

  private constructor(value: T, source: Source) {
    this.value = value;
    this.#source = source;
  }

  /**
   * Reads a text; throws Failed with file, line, key and what is expected. `advice` ends that message. The
   * description of a schema is what is said to be expected.
   */
  static read<S extends TSchema>(
    schema: S,
    text: string,
    file: string,
    syntax: "yaml" | "json",
    advice: string,
  ): CheckedDocument<Static<S>> {
    const source = new Source(text, file, syntax, advice);
    const value: unknown = source.value();
    const [first] = Value.Errors(schema, value);
    if (first !== undefined) throw source.refusal(...mismatch(first));
    return new CheckedDocument(value, source);
  }

  /** A value fits the schema and is wrong all the same. */
  refusal(path: DocumentPath, reason: string): Failed {
    return this.#source.refusal(path, reason);
  }

  /** "FILE, line 3" */
  place(path: DocumentPath): string {
    return this.#source.place(path);
  }
}

class Source {
  readonly #file: string;
  readonly #advice: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(text: string, file: string, syntax: "yaml" | "json", advice: string) {
    this.#file = file;
    this.#advice = advice;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      schema: syntax === "json" ? "json" : "core",
    });
  }

  value(): unknown {
    const [wrong] = this.#document.errors;
    if (wrong !== undefined) {
      const { line } = this.#lines.linePos(wrong.pos[0]);
      throw new Failed(`${this.#file}, line ${line}: ${printable(wrong.message)}. ${this.#advice}`);
    }
    try {
      return this.#document.toJS({ maxAliasCount: 0 });
    } catch {
      throw new Failed(
        `${this.#file}: aliases (*NAME) are not taken here: write each value out. ${this.#advice}`,
      );
    }
  }

  refusal(path: DocumentPath, reason: string): Failed {
    const key = path.length === 0 ? "" : `, key "${printPath(path)}"`;
    return new Failed(`${this.place(path)}${key}: ${printable(reason).replace(/\.$/, "")}. ${this.#advice}`);
  }

  place(path: DocumentPath): string {
    return `${this.#file}, line ${this.#line(path)}`;
  }

  /** That of the value, or of the nearest one around a value that is missing. */
  #line(path: DocumentPath): number {
    for (let depth = path.length; depth > 0; depth--) {
      const node = this.#document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return this.#lines.linePos(node.range[0]).line;
    }
    return 1;
  }
}

function mismatch(error: ValueError): readonly [DocumentPath, string] {
  const path = error.path
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  const expected = error.schema.description ?? error.message.toLowerCase();
  switch (error.type) {
    case ValueErrorType.ObjectAdditionalProperties: {
      const known = Object.keys((error.schema as { properties?: object }).properties ?? {}).join(", ");
      return [path, `there is no such key; the keys here are ${known}`];
    }
    case ValueErrorType.ObjectRequiredProperty:
      return [path, "it is missing"];
    default:
      return [path, `expected ${expected}, found ${printFound(error.value)}`];
  }
}

function printFound(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > FOUND_CHARACTERS ? `${text.slice(0, FOUND_CHARACTERS)}...` : text;
}

function printPath(path: DocumentPath): string {
  return path
    .map((step, depth) => (typeof step === "number" ? `[${step}]` : depth === 0 ? step : `.${step}`))
    .join("");
}

/** Of a file with anything in it, for a terminal. */
function printable(text: string): string {
  return text.slice(0, REASON_CHARACTERS).replaceAll(/\p{Cc}+/gu, "?");
}
