import type { JSX } from "preact";
import { countWords, tookWords } from "./figure-words.ts";

interface LatencyChartProps {
  readonly name: string;
  /** `[n]`: how many took less than 2^n us, and not less than half of it. */
  readonly histogram: readonly number[];
  readonly count: number;
}

/** Few enough to be wide, and enough to show a shape. */
const BARS_MIN = 8;
const HEIGHT = 100;

/** How long requests took since the device was attached. Heights are logarithmic: one among a million is seen. */
export function LatencyChart({ name, histogram, count }: LatencyChartProps): JSX.Element {
  const used = histogram.flatMap((urbs, n) => (urbs > 0 ? [n] : []));
  const first = Math.max(0, Math.min(used[0] ?? 0, (used.at(-1) ?? 0) - BARS_MIN + 1));
  const last = Math.max(used.at(-1) ?? 0, first + BARS_MIN - 1);
  const bars = Array.from({ length: last - first + 1 }, (_, i) => histogram[first + i] ?? 0);
  const most = Math.log(1 + Math.max(...bars, 1));
  const from = tookWords(first === 0 ? 0 : 2 ** (first - 1));
  const to = tookWords(2 ** last);
  return (
    <figure class="latency">
      <figcaption>
        {name} <span class="quiet">{count === 1 ? "1 URB" : `${countWords(count)} URBs`}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${bars.length * 10} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: how many requests took how long, from ${from} to ${to}`}
      >
        {bars.map((urbs, i) => {
          const height = (Math.log(1 + urbs) / most) * HEIGHT;
          const bucket = first + i;
          return (
            <rect key={bucket} x={i * 10 + 0.75} y={HEIGHT - height} width={8.5} height={height}>
              <title>{`below ${tookWords(2 ** bucket)}: ${countWords(urbs)}`}</title>
            </rect>
          );
        })}
      </svg>
      <p class="quiet scale">
        <span>{from}</span>
        <span>{to}</span>
      </p>
    </figure>
  );
}
