import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { token } from "./api.ts";
import { CommandLine } from "./command.tsx";
import { Icon } from "./icon.tsx";
import { NoticeList } from "./notice-list.tsx";
import { useDesk } from "./use-host.ts";

/** Asks for the token, which proves that whoever looks may read the files of the host's user. */
export function SignIn(): JSX.Element {
  const { host, figures } = useDesk();
  const [text, setText] = useState("");
  const wasWrong = token.get() !== "";
  const enter = (event: Event): void => {
    event.preventDefault();
    token.set(text.trim());
    host.start();
    figures.start();
  };
  return (
    <main class="sign-in">
      <p class="mark">
        <Icon name="ferry" />
        usbferry
      </p>
      <h1>Enter the token</h1>
      <p>
        The host makes a new one each time it starts, and shows a link with the token in it in its terminal.
        It also stands in a file that only the user of the host may read: of root, or of yourself.
      </p>
      <CommandLine text="sudo cat /run/usbferry/serve.token" />
      <CommandLine text='cat "$XDG_RUNTIME_DIR/usbferry/serve.token"' />
      <form onSubmit={enter}>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          aria-describedby={wasWrong ? "wrong-token" : undefined}
        />
        {wasWrong && (
          <p id="wrong-token" class="wrong" role="alert">
            The token of this tab is not that of the host that runs. It was started again, or the token was
            not copied whole.
          </p>
        )}
        <button type="submit" class="primary">
          Open the dashboard
        </button>
      </form>
      <NoticeList />
    </main>
  );
}
