import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { CheckedDocument, DOCUMENT_BYTES } from "../checked-document.ts";
import { Failed } from "../failure.ts";
import { LOG_LEVELS, LOG_ROOMS, type LogLevels } from "../log-levels.ts";
import { LONGEST_LOOK_US } from "../ring/ring-thread.ts";
import { parseRule, type Rule, RuleError } from "../rules/rule.ts";

const addresses = Type.Optional(
  Type.Array(Type.String({ description: "an address such as tcp:3240" }), {
    description: "a list of addresses, as in [tcp:3240, unix:/run/usbferry/usbip.sock]",
    maxItems: 1_000,
  }),
);

const logLevel = Type.Optional(
  Type.Union(
    LOG_LEVELS.map((level) => Type.Literal(level)),
    { description: `one of ${LOG_LEVELS.join(", ")}` },
  ),
);

const ConfigurationSchema = Type.Object(
  {
    listen: addresses,
    connect: addresses,
    gadgets: Type.Optional(
      Type.Array(Type.String({ description: 'a gadget such as zero or "keyboard,speed=high"' }), {
        description: 'a list of gadgets, as in [zero, "disk,size=64M"]',
        maxItems: 1_000,
      }),
    ),
    devices: Type.Optional(
      Type.Array(Type.String({ description: 'a device such as 1-2 or "0525:a4a0"' }), {
        description: 'a list of devices of this machine, as in [1-2, "0525:a4a0"]',
        maxItems: 1_000,
      }),
    ),
    rules: Type.Optional(
      Type.Array(Type.String({ description: "a rule such as allow client=192.168.7.0/24" }), {
        description: "a list of rules, as in [allow client=192.168.7.0/24]",
        maxItems: 1_000,
      }),
    ),
    log: Type.Optional(
      Type.Object(Object.fromEntries(["default", ...LOG_ROOMS].map((room) => [room, logLevel])), {
        additionalProperties: false,
        description: "levels by room, as in {default: info, rules: debug}",
      }),
    ),
    drain: Type.Optional(
      Type.Number({ minimum: 0, maximum: 3_600, description: "a number of seconds from 0 to 3600" }),
    ),
    ring: Type.Optional(
      Type.Object(
        {
          look: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: LONGEST_LOOK_US,
              description: `a whole number of microseconds from 0 to ${LONGEST_LOOK_US}`,
            }),
          ),
          cpu: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 1_023, description: "the number of a processor" }),
          ),
        },
        { additionalProperties: false, description: "look and cpu of the thread that has the rings" },
      ),
    ),
    state: Type.Optional(Type.String({ minLength: 1, description: "a folder, as in /var/lib/usbferry" })),
    control: Type.Optional(
      Type.Object(
        {
          socket: Type.Optional(
            Type.String({
              minLength: 1,
              description: "the path of a socket, as in /run/usbferry/control.sock",
            }),
          ),
          group: Type.Optional(Type.String({ minLength: 1, description: "the name of a group" })),
        },
        { additionalProperties: false, description: "socket and group of the control socket" },
      ),
    ),
    dashboard: Type.Optional(
      Type.String({ minLength: 1, description: "where the dashboard listens, as in tcp:8080, or off" }),
    ),
  },
  {
    additionalProperties: false,
    description: "keys and values, as in docs/configuration.md",
  },
);

type ConfigurationText = Static<typeof ConfigurationSchema>;

/** What a configuration says of its host. What it leaves out is undefined. */
export interface Configuration extends Omit<ConfigurationText, "rules" | "log"> {
  readonly rules: readonly Rule[];
  readonly log: LogLevels;
}

/** A configuration that can say where a thing stands in its file. */
export class ConfigurationFile {
  readonly path: string;
  readonly configuration: Configuration;
  readonly #document: CheckedDocument<ConfigurationText>;

  private constructor(path: string, document: CheckedDocument<ConfigurationText>) {
    const { rules = [], log = {}, ...rest } = document.value;
    this.path = path;
    this.#document = document;
    this.configuration = {
      ...rest,
      log,
      rules: rules.map((text, i) => {
        const rule = parseRule(text);
        if (rule instanceof RuleError) throw document.refusal(["rules", i], rule.message);
        return rule;
      }),
    };
  }

  /** Throws Failed: the message names file, line and key, and says what to do. */
  static read(path: string): ConfigurationFile {
    const file = resolve(path);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(file);
    } catch (cause) {
      throw new Failed(
        `the configuration ${file} cannot be read: ${(cause as Error).message}. Check its name and permissions.`,
        { cause },
      );
    }
    if (bytes.length > DOCUMENT_BYTES) {
      throw new Failed(`${file} has ${bytes.length} bytes and is no configuration. Check its name.`);
    }
    return ConfigurationFile.parse(Buffer.from(bytes).toString("utf8"), file);
  }

  static parse(text: string, path: string): ConfigurationFile {
    const advice = "docs/configuration.md shows what can be written there.";
    // A file of comments alone says nothing, which is allowed.
    const source = text.split("\n").every((line) => /^\s*(#|$)/.test(line)) ? "{}" : text;
    return new ConfigurationFile(
      path,
      CheckedDocument.read(ConfigurationSchema, source, path, "yaml", advice),
    );
  }

  /** An entry of a list is wrong for a reason that the schema cannot know: the message, with its place. */
  complaint(key: "listen" | "connect" | "gadgets" | "devices", position: number, reason: string): string {
    return this.#document.refusal([key, position], reason).message;
  }
}
