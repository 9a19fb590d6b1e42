/**
 * The places between the steps of a signing where a process may die. Tests kill a real process at each of them;
 * in production the function does nothing.
 */
export const CRASH_POINTS = [
  'signing.after-code',
  'signing.after-intent',
  'signing.after-certificate',
  'signing.after-prepare',
  'signing.after-timestamp',
  'signing.after-store',
  'signing.before-commit',
  'signing.after-commit',
] as const

export type CrashPoint = (typeof CRASH_POINTS)[number]

/** Called at each point; resolves at once unless a test wants the process dead. */
export type CrashHook = (point: CrashPoint) => Promise<void>

export const noCrash: CrashHook = async () => {}
