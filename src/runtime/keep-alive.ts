/** Longest period a timer can have; what matters is that it is there. */
const periodMs = 2 ** 31 - 1;

/**
 * Keeps the process from ending by itself while nothing else does: between losing a link and having
 * the next one there is no socket that would.
 *
 * @returns lets go; safe to repeat.
 */
export function keepAlive(): () => void {
  const handle = setInterval(() => {}, periodMs);
  return () => clearInterval(handle);
}
