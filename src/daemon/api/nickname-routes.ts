import type { KeptNicknames } from "../state/kept-nicknames.ts";
import { answers } from "./documents/document.ts";
import { Nickname, NicknamePath, Nicknames } from "./documents/host.ts";
import type { Routes } from "./routes.ts";

/** Names that the user of this host gives to devices. */
export function addNicknameRoutes(routes: Routes, nicknames: KeptNicknames): void {
  const tags = ["host"];
  routes.get(
    "/v1/nicknames",
    {
      schema: {
        tags,
        operationId: "nicknames",
        summary: "Names that people gave to devices",
        response: answers(Nicknames, "Those of the user of this host."),
      },
    },
    async () => ({ nicknames: [...(await nicknames.list())] }),
  );
  routes.post(
    "/v1/nicknames",
    {
      schema: {
        tags,
        operationId: "setNickname",
        summary: "Give a device a name",
        body: Nickname,
        response: answers(Nickname, "It is known by it, and it is durable."),
      },
    },
    async ({ body }) => {
      await nicknames.set(body.name, body.device);
      return body;
    },
  );
  routes.delete(
    "/v1/nicknames/:name",
    {
      schema: {
        tags,
        operationId: "removeNickname",
        summary: "Take a name away",
        params: NicknamePath,
        response: answers(NicknamePath, "Nothing has this name."),
      },
    },
    async ({ params: { name } }) => {
      await nicknames.remove(name);
      return { name };
    },
  );
}
