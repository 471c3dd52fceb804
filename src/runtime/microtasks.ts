/**
 * Resolves once every promise reaction that can run without I/O or time has run, and those that they
 * cause: what lets a virtual clock take one step at a time.
 */
export function microtasksDrained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
