/** Something that a daemon cannot work without, at the moment of the question. */
export interface HealthCheck {
  readonly name: string;
  /** What is wrong and what to do next; nothing if it is well. */
  readonly trouble?: string;
}
