import type { JSX } from "preact";
import { useChanges, useDesk } from "./use-host.ts";

export function NoticeList(): JSX.Element {
  const { notices } = useDesk();
  useChanges(notices);
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.list.map(({ id, text, isFailure }) => (
        <div key={id} class={isFailure ? "notice failure" : "notice"}>
          <p>{text}</p>
          <button type="button" class="plain" onClick={() => notices.close(id)}>
            Close<span class="unseen"> this message</span>
          </button>
        </div>
      ))}
    </div>
  );
}
