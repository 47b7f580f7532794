import type { JSX } from "preact";
import { Icon } from "./icon.tsx";
import { useDesk } from "./use-host.ts";

/** A line for a terminal, and a way to take it there. */
export function CommandLine({ text }: { readonly text: string }): JSX.Element {
  const { notices } = useDesk();
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      notices.tell("The command is in the clipboard.");
    } catch {
      notices.fail("The browser does not let this page copy. Select the text instead.");
    }
  };
  return (
    <div class="command">
      <code>{text}</code>
      <button type="button" class="plain" onClick={() => void copy()}>
        <Icon name="copy" />
        Copy<span class="unseen"> the command {text}</span>
      </button>
    </div>
  );
}
