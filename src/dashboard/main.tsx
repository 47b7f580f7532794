import { render } from "preact";
import { takeToken } from "./api.ts";
import { App } from "./app.tsx";
import { HostWatch } from "./host-watch.ts";
import { Notices } from "./notices.ts";
import { DeskContext } from "./use-host.ts";

const host = new HostWatch();
const notices = new Notices();

/** A link with a token may be opened in a tab that has an old one. */
function enter(): void {
  takeToken();
  host.start();
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) enter();
});
enter();
render(
  <DeskContext.Provider value={{ host, notices }}>
    <App />
  </DeskContext.Provider>,
  document.getElementById("page")!,
);
