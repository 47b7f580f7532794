import type { JSX } from "preact";
import type { DeviceFigures } from "./api.ts";
import type { Second } from "./figure-watch.ts";
import { bytesWords, countWords, endpointWords, inOrder, tookWords } from "./figure-words.ts";
import { LatencyChart } from "./latency-chart.tsx";
import { useChanges, useDesk } from "./use-host.ts";

/** What a device that somebody has carries: now, in the last minute, and since it was attached. */
export function LiveFigures({ busid }: { readonly busid: string }): JSX.Element | null {
  const { figures } = useDesk();
  useChanges(figures);
  const its = figures.of(busid);
  if (its === undefined) return null;
  const { now, total, problems } = its;
  return (
    <section class="figures" aria-label="Figures">
      <ul class="readings">
        <Reading name="From the device" value={`${bytesWords(now.bytesInPerSecond)}/s`} />
        <Reading name="To the device" value={`${bytesWords(now.bytesOutPerSecond)}/s`} />
        <Reading name="Requests" value={`${countWords(now.urbsPerSecond)} URB/s`} />
        <Reading
          name="Half take less than"
          value={total.urbs === 0 ? "-" : tookWords(latencyOf(its).p50Us)}
        />
      </ul>
      <Minute seconds={figures.historyOf(busid)} />
      {total.endpoints.length > 0 && <Endpoints figures={its} />}
      {total.endpoints.length > 0 && (
        <div class="charts">
          {inOrder(total.endpoints).map(({ address, histogram, urbs }) => (
            <LatencyChart key={address} name={endpointWords(address)} histogram={histogram} count={urbs} />
          ))}
        </div>
      )}
      {problems.length > 0 && (
        <>
          <h4>What did not work</h4>
          <ul class="plain problems">
            {problems.map(({ text }) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** That of this second, or of all seconds where nothing moves. */
function latencyOf({ now, total }: DeviceFigures): DeviceFigures["total"]["latency"] {
  return now.urbsPerSecond > 0 ? now.latency : total.latency;
}

function Reading({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <li>
      <span class="quiet">{name}</span> <strong>{value}</strong>
    </li>
  );
}

const WIDTH = 600;
const HEIGHT = 56;
const SECONDS = 60;

/** Bytes of each second of the last minute; now is at the right. */
function Minute({ seconds }: { readonly seconds: readonly Second[] }): JSX.Element {
  const most = Math.max(...seconds.map(({ bytes }) => bytes), 1);
  const step = WIDTH / (SECONDS - 1);
  const points = seconds.map(({ bytes }, i) => {
    const x = WIDTH - (seconds.length - 1 - i) * step;
    const y = HEIGHT - 1 - (bytes / most) * (HEIGHT - 2);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const left = WIDTH - (seconds.length - 1) * step;
  const words = `At most ${bytesWords(most)}/s in the last minute`;
  return (
    <figure class="minute">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
        <polygon points={`${left.toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} />
        <polyline points={points.join(" ")} />
      </svg>
      <figcaption class="quiet">
        <span>60 s ago</span>
        <span>{words}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

function Endpoints({ figures: { now, total } }: { readonly figures: DeviceFigures }): JSX.Element {
  return (
    // Wider than a phone: it can be scrolled, with the keyboard too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reached
    <section class="scroll" aria-label="Endpoints" tabIndex={0}>
      <table>
        <caption class="unseen">Each endpoint: what it carries now, and how long its requests take</caption>
        <thead>
          <tr>
            <th scope="col">Endpoint</th>
            <th scope="col">URB/s</th>
            <th scope="col">Data</th>
            <th scope="col">p50</th>
            <th scope="col">p99</th>
            <th scope="col">p99.9</th>
            <th scope="col">All URBs</th>
            <th scope="col">Failed</th>
          </tr>
        </thead>
        <tbody>
          {inOrder(total.endpoints).map(({ address, urbs, latency, errors }) => {
            const moving = now.endpoints.find((each) => each.address === address);
            const { p50Us, p99Us, p999Us } = moving?.latency ?? latency;
            const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
            return (
              <tr key={address}>
                <th scope="row">{endpointWords(address)}</th>
                <td>{countWords(moving?.urbsPerSecond ?? 0)}</td>
                <td>{`${bytesWords(moving?.bytesPerSecond ?? 0)}/s`}</td>
                <td>{tookWords(p50Us)}</td>
                <td>{tookWords(p99Us)}</td>
                <td>{tookWords(p999Us)}</td>
                <td>{countWords(urbs)}</td>
                <td class={failed > 0 ? "wrong" : undefined}>{countWords(failed)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
