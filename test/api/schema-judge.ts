/** A JSON schema, as far as the control API uses them. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly examples?: readonly unknown[];
  readonly description?: string;
}

export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const KNOWN: ReadonlySet<string> = new Set([
  "$ref",
  "type",
  "enum",
  "anyOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "examples",
  "description",
]);

/**
 * Checks values against the schemas of a document, on its own terms: it shares no code with what the daemon uses.
 * A keyword it does not know is an error, so that nothing passes unchecked.
 */
export class SchemaJudge {
  readonly #schemas: OpenApi["components"]["schemas"];

  constructor(document: OpenApi) {
    this.#schemas = document.components.schemas;
  }

  resolve(schema: Schema): Schema {
    for (const keyword of Object.keys(schema)) {
      if (!KNOWN.has(keyword)) throw new Error(`the judge does not know the keyword ${keyword}`);
    }
    if (schema.$ref === undefined) return schema;
    const named = this.#schemas[schema.$ref.replace("#/components/schemas/", "")];
    if (named === undefined) throw new Error(`there is no ${schema.$ref}`);
    return this.resolve(named);
  }

  /** What is wrong with the value, or nothing. */
  fault(given: Schema, value: unknown, at = ""): string | undefined {
    const schema = this.resolve(given);
    if (schema.anyOf !== undefined) {
      const faults = schema.anyOf.map((one) => this.fault(one, value, at));
      return faults.includes(undefined) ? undefined : `${at}: fits none: ${faults.join("; ")}`;
    }
    if (schema.enum !== undefined)
      return schema.enum.includes(value) ? undefined : `${at}: not of the enumeration`;
    switch (schema.type) {
      case "object":
        return this.#objectFault(schema, value, at);
      case "array":
        if (!Array.isArray(value)) return `${at}: no array`;
        if (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Infinity))
          return `${at}: has ${value.length} items`;
        return value
          .map((item, i) => this.fault(schema.items!, item, `${at}/${i}`))
          .find((f) => f !== undefined);
      case "string":
        if (typeof value !== "string") return `${at}: no string`;
        if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
          return `${at}: "${value}"`;
        return value.length < (schema.minLength ?? 0) || value.length > (schema.maxLength ?? Infinity)
          ? `${at}: has ${value.length} characters`
          : undefined;
      case "integer":
      case "number":
        if (typeof value !== "number" || (schema.type === "integer" && !Number.isInteger(value)))
          return `${at}: no ${schema.type}`;
        return value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)
          ? `${at}: ${value}`
          : undefined;
      case "boolean":
        return typeof value === "boolean" ? undefined : `${at}: no boolean`;
      default:
        throw new Error(`the judge does not know the type ${schema.type}`);
    }
  }

  #objectFault(schema: Schema, value: unknown, at: string): string | undefined {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return `${at}: no object`;
    const properties = schema.properties ?? {};
    const missing = schema.required?.find((name) => !(name in value));
    if (missing !== undefined) return `${at}: without ${missing}`;
    for (const [name, item] of Object.entries(value)) {
      const property = properties[name];
      if (property === undefined) {
        if (schema.additionalProperties === false) return `${at}: has ${name}`;
        continue;
      }
      const fault = this.fault(property, item, `${at}/${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** A value that the schema allows. */
  sample(given: Schema): unknown {
    const schema = this.resolve(given);
    const example = given.examples?.[0] ?? schema.examples?.[0];
    if (example !== undefined) return example;
    if (schema.enum !== undefined) return schema.enum[0];
    if (schema.anyOf !== undefined) return this.sample(schema.anyOf[0]!);
    switch (schema.type) {
      case "object":
        return Object.fromEntries(
          Object.entries(schema.properties ?? {}).map(([name, property]) => [name, this.sample(property)]),
        );
      case "array":
        return [this.sample(schema.items!)];
      case "string":
        return "text".padEnd(schema.minLength ?? 0, "x");
      case "integer":
      case "number":
        return schema.minimum ?? 1;
      default:
        return true;
    }
  }
}
