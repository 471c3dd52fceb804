import { type Checker, complaints, storiesOf } from "./checker.ts";

/** G1: a handler starts at most once for a message sent at-most-once. */
export const atMostOnce: Checker = (history) =>
  complaints("G1", storiesOf(history), ({ sendings, starts }) => {
    if (sendings[0]?.guarantee !== "at-most-once" || starts.length <= 1) return undefined;
    return `was sent at most once and started ${starts.length} times`;
  });
