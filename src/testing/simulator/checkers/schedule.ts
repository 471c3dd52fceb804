import type { OrderHistory } from "../orders.ts";
import { type Checker, complaints, storiesOf } from "./checker.ts";

/** How long an overdue message may take to be started once everything works again. */
const lateMsMax = 5_000;

/** G7: never started before the clock of the hub had reached its time. */
export const schedule: Checker = (history) => {
  const reached = clockOf(history);
  return complaints("G7", storiesOf(history), ({ sendings, starts }) => {
    const [sending] = sendings;
    const [start] = starts;
    if (sending?.notBeforeMs === undefined || start === undefined) return undefined;
    const earlyMs = sending.notBeforeMs - reached(start.atMs);
    return earlyMs > 0 ? `was started ${Math.ceil(earlyMs)} ms early` : undefined;
  });
};

/** G6: no handler starts later than 5 s after its message expired, by the clock of the hub. */
export const expiry: Checker = (history) =>
  complaints("G6", storiesOf(history), ({ sendings, starts, settled }) => {
    const expiresAtMs = Math.min(...sendings.map((it) => it.expiresAtMs ?? Infinity));
    const late = starts.find(({ brokerMs }) => brokerMs > expiresAtMs + lateMsMax);
    if (late !== undefined) {
      return `was started ${Math.floor(late.brokerMs - expiresAtMs)} ms after it expired`;
    }
    return settled === "expired" && starts.length === 0 ? undefined : undefined;
  });

/** The furthest that the clock of the hub had come by a moment: it may have been set back since. */
function clockOf(history: OrderHistory): (atMs: number) => number {
  const points: { readonly atMs: number; readonly mostMs: number }[] = [];
  let mostMs = 0;
  let before: { readonly atMs: number; readonly brokerMs: number } | undefined;
  for (const { atMs, brokerMs } of history) {
    // Between two events it has gone on by itself, before any jump.
    const wentTo = before === undefined ? 0 : before.brokerMs + (atMs - before.atMs);
    mostMs = Math.max(mostMs, brokerMs, wentTo);
    points.push({ atMs, mostMs });
    before = { atMs, brokerMs };
  }
  return (atMs) => {
    let found = 0;
    for (const point of points) {
      if (point.atMs > atMs) break;
      found = point.mostMs;
    }
    return found;
  };
}
