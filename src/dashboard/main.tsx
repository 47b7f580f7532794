import { render } from "preact";
import { takeToken } from "./api.ts";
import { App } from "./app.tsx";
import { FigureWatch } from "./figure-watch.ts";
import { HostWatch } from "./host-watch.ts";
import { Notices } from "./notices.ts";
import { DeskContext } from "./use-host.ts";

const host = new HostWatch();
const figures = new FigureWatch();
const notices = new Notices();

/** A link with a token may be opened in a tab that has an old one. */
function enter(): void {
  takeToken();
  host.start();
  figures.start();
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) enter();
});
enter();
render(
  <DeskContext.Provider value={{ host, figures, notices }}>
    <App />
  </DeskContext.Provider>,
  document.getElementById("page")!,
);
