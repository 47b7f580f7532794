/** The contract with scripts. */
export const ExitCode = { done: 0, failed: 1, wrongUsage: 2, accessDenied: 3, cancelled: 4 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
