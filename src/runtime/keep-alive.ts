import { type Clock, systemClock } from "./clock.ts";

/** Longest period a timer can have; what matters is that it is there. */
const periodMs = 2 ** 31 - 1;

/**
 * Keeps the process from ending by itself while nothing else does: between losing a link and having
 * the next one there is no socket that would.
 *
 * @param clock - of whoever waits. On a virtual one nothing is done: whoever moves it is there.
 * @returns lets go; safe to repeat.
 */
export function keepAlive(clock: Clock = systemClock): () => void {
  if (clock !== systemClock) return () => {};
  const handle = setInterval(() => {}, periodMs);
  return () => clearInterval(handle);
}
