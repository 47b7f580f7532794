import { parse } from "yaml";

/** A step of the only job of a workflow. */
export interface WorkflowStep {
  /** Its name, or the action that it is. */
  readonly name: string;
  /** For a shell; an action has none. */
  readonly script: string | undefined;
}

export function stepsOf(text: string): readonly WorkflowStep[] {
  const { jobs } = parse(text) as {
    jobs: Record<string, { steps: readonly { name?: string; uses?: string; run?: string }[] }>;
  };
  const [job, ...others] = Object.values(jobs);
  if (job === undefined || others.length > 0) throw new Error("the workflow has not exactly one job");
  return job.steps.map(({ name, uses, run }) => {
    const title = name ?? uses;
    if (title === undefined) throw new Error("a step has no name");
    return { name: title, script: run };
  });
}
