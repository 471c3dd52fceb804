/** What every command tells its caller by the way it ends. */
import { isColloquyError } from "../errors.ts";

export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, timedOut: 3 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export function exitCodeOf(error: unknown): ExitCode {
  if (isColloquyError(error, "INVALID_OPTION")) return exitCodes.wrongUsage;
  if (isColloquyError(error, "INVALID_ADDRESS")) return exitCodes.wrongUsage;
  return isColloquyError(error, "TIMEOUT") ? exitCodes.timedOut : exitCodes.failed;
}
