import { once } from "node:events";
import { type ClientRequest, get } from "node:http";

const SOCKET = "/run/usbferry/agent.sock";
let reading: ClientRequest | undefined;

/** Reads the events of the agent from here on: one that somebody asks is not idle, and does not end. */
export async function watch(): Promise<void> {
  if (reading !== undefined) return;
  const request = get({ socketPath: SOCKET, path: "/v1/events", headers: { host: "usbferry" } });
  reading = request;
  const forget = (): void => {
    reading = undefined;
  };
  request.on("error", forget);
  const [response] = (await once(request, "response")) as [NodeJS.ReadableStream];
  response.on("close", forget).on("error", forget).resume();
}
