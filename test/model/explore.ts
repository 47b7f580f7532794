/** A system of which every state can be visited. States are values: `steps` gives new ones. */
export interface Model<State> {
  readonly initial: State;
  /** What may happen next; nothing if all that runs has stopped or waits. */
  steps(state: State): readonly Step<State>[];
  /** The promise that this state breaks. */
  broken(state: State): string | undefined;
  /** The same text for two states that cannot be told apart. */
  key(state: State): string;
}

export interface Step<State> {
  readonly name: string;
  readonly next: State;
}

export interface Exploration {
  readonly states: number;
  readonly failure?: Failure;
}

export interface Failure {
  readonly why: string;
  /** A shortest way there. */
  readonly steps: readonly string[];
}

interface Visit {
  readonly from: string | undefined;
  readonly step: string;
}

/** Visits all states, nearest first, until one breaks a promise. */
export function explore<State>(model: Model<State>): Exploration {
  const first = model.key(model.initial);
  const visits = new Map<string, Visit>([[first, { from: undefined, step: "" }]]);
  let round: [string, State][] = [[first, model.initial]];
  while (round.length > 0) {
    const following: [string, State][] = [];
    for (const [key, state] of round) {
      const why = model.broken(state);
      if (why !== undefined) return { states: visits.size, failure: { why, steps: wayTo(key, visits) } };
      for (const { name, next } of model.steps(state)) {
        const nextKey = model.key(next);
        if (visits.has(nextKey)) continue;
        visits.set(nextKey, { from: key, step: name });
        following.push([nextKey, next]);
      }
    }
    round = following;
  }
  return { states: visits.size };
}

function wayTo(key: string, visits: ReadonlyMap<string, Visit>): string[] {
  const steps: string[] = [];
  for (let visit = visits.get(key)!; visit.from !== undefined; visit = visits.get(visit.from)!) {
    steps.push(visit.step);
  }
  return steps.toReversed();
}
