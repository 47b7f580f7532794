import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { agentSocket } from "./control-place.ts";
import { Refusal } from "./refusal.ts";

/** Where the requests of the agent stand at the place of the dashboard. */
const PREFIX = "/agent";

/** Not among them: what has the agent run commands. */
const RELAYED: readonly RegExp[] = [
  /^GET \/v1\/(state|ports)$/,
  /^POST \/v1\/attachments$/,
  /^POST \/v1\/ports\/\d{1,5}\/kick$/,
  /^DELETE \/v1\/(ports\/\d{1,5}|wishes\/w\d{1,9})$/,
];

export function isForAgent({ url = "" }: IncomingMessage): boolean {
  return url.startsWith(`${PREFIX}/`);
}

/** Has the agent of this user answer. `refused` is called where it is not asked, or does not. */
export function relayToAgent(
  asked: IncomingMessage,
  response: ServerResponse,
  refused: (refusal: Refusal) => void,
): void {
  const { method = "", headers } = asked;
  const path = asked.url!.slice(PREFIX.length);
  if (!RELAYED.some((allowed) => allowed.test(`${method} ${path}`))) {
    refused(
      new Refusal("NOT_FOUND", "the dashboard does not hand this to the agent. Ask at the agent's socket."),
    );
    return;
  }
  const type = headers["content-type"];
  const length = headers["content-length"];
  const asking = request({
    socketPath: agentSocket(),
    method,
    path,
    agent: false,
    headers: {
      ...(type !== undefined && { "content-type": type }),
      ...(length !== undefined && { "content-length": length }),
    },
  });
  asking.on("response", (answer) => {
    response.writeHead(answer.statusCode!, { "content-type": answer.headers["content-type"] ?? "" });
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  asking.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (response.headersSent) response.destroy();
    else refused(unanswered(code));
  });
  // It takes back what it was about to do for a client that goes away.
  response.once("close", () => asking.destroy());
  asked.pipe(asking);
}

function unanswered(code: string | undefined): Refusal {
  if (code === "EACCES") {
    return new Refusal(
      "ACCESS_DENIED",
      `this host may not ask the agent at ${agentSocket()}. Run both as the same user.`,
    );
  }
  return new Refusal(
    "NO_AGENT",
    `no agent runs (${agentSocket()}), so nothing is attached to this machine by one. Start it with \`sudo usbferry agent\`; ` +
      "`sudo usbferry attach` starts it too.",
  );
}
