import type { Policy } from "../rules/rule-book.ts";
import { answers } from "./documents/document.ts";
import { MoveRequest, Rule, RulePath, RuleRequest, Rules } from "./documents/host.ts";
import type { Routes } from "./routes.ts";

/** Who may have what. */
export function addRulesRoutes(routes: Routes, rules: Policy): void {
  const tags = ["rules"];
  routes.get(
    "/v1/rules",
    {
      schema: {
        tags,
        operationId: "rules",
        summary: "The rules of this host",
        response: answers(Rules, "Those of the state, then those of the configuration."),
      },
    },
    async () => ({ rules: [...(await rules.list())] }),
  );
  routes.post(
    "/v1/rules",
    {
      schema: {
        tags,
        operationId: "addRule",
        summary: "Add a rule",
        body: RuleRequest,
        response: answers(Rule, "It holds, and is durable."),
      },
    },
    (request) => rules.add(request.body.rule, request.body.position),
  );
  routes.delete(
    "/v1/rules/:id",
    {
      schema: {
        tags,
        operationId: "removeRule",
        summary: "Remove a rule",
        params: RulePath,
        response: answers(Rule, "It holds no longer. Sessions go on."),
      },
    },
    (request) => rules.remove(request.params.id),
  );
  routes.post(
    "/v1/rules/:id/move",
    {
      schema: {
        tags,
        operationId: "moveRule",
        summary: "Give a rule another place",
        params: RulePath,
        body: MoveRequest,
        response: answers(Rule, "It has the place."),
      },
    },
    (request) => rules.move(request.params.id, request.body.position),
  );
}
