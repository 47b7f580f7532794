export type Labels = Readonly<Record<string, string | undefined>>;

export interface Sample {
  /** Those without a value are left out. */
  readonly labels?: Labels;
  readonly value: number;
  /** Behind the name of the family: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
}

/** Metrics of one name. Names of counters end with `_total`. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: Iterable<Sample>;
}

/** The media type of the text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function exposition(families: Iterable<Family>): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { labels = {}, value, suffix = "" } of samples) {
      lines.push(`${name}${suffix}${printLabels(labels)} ${value}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function printLabels(labels: Labels): string {
  const printed = Object.entries(labels).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${escaped(value)}"`],
  );
  return printed.length === 0 ? "" : `{${printed.join(",")}}`;
}

/** A bus id or an address may come from a stranger. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
