import type { JSX } from "preact";
import { bytesWords, countWords } from "./figure-words.ts";
import { useChanges, useDesk } from "./use-host.ts";

/** What a device carries at this moment, in two figures. */
export function DeviceRates({ busid }: { readonly busid: string }): JSX.Element | null {
  const { figures } = useDesk();
  useChanges(figures);
  const now = figures.of(busid)?.now;
  if (now === undefined) return null;
  return (
    <span class="rates">
      <span>{`${bytesWords(now.bytesInPerSecond + now.bytesOutPerSecond)}/s`}</span>{" "}
      <span>{`${countWords(now.urbsPerSecond)} URB/s`}</span>
    </span>
  );
}
