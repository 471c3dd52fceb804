/** The process is asked to end: SIGTERM by a supervisor, SIGINT by a person. */

const signals = ["SIGTERM", "SIGINT"] as const;

/**
 * Runs `wind` once when the process is asked to end, then lets the signal do what it would have done.
 * A second signal does not wait. A page is never asked: it is gone.
 *
 * @returns what takes the handlers off again; safe to repeat.
 */
export function onTermination(wind: () => Promise<unknown>): () => void {
  if (globalThis.process?.once === undefined) return () => {};
  const handlers = signals.map((signal) => {
    const run = () => {
      remove();
      const die = () => process.kill(process.pid, signal);
      wind().then(die, die);
    };
    process.once(signal, run);
    return { signal, run };
  });
  const remove = () => {
    for (const { signal, run } of handlers) process.removeListener(signal, run);
  };
  return remove;
}
