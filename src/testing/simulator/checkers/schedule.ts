import type { ScenarioHistory } from "../events.ts";
import { type Checker, complaints, disturbs, storiesOf } from "./checker.ts";

/** How long something overdue may take once everything works again. */
const lateMsMax = 5_000;

/** How long an offer may be on its way to a handler: a clock that jumps meanwhile makes nobody late. */
const onTheWayMs = 2_000;

/** G7: never started before the clock of the hub had reached its time. */
export const schedule: Checker = (history) => {
  const clock = new HubClock(history);
  return complaints("G7", storiesOf(history), ({ sendings, starts }) => {
    const [sending] = sendings;
    const [start] = starts;
    if (sending?.notBeforeMs === undefined || start === undefined) return undefined;
    const earlyMs = sending.notBeforeMs - clock.mostBy(start.atMs);
    return earlyMs > 0 ? `was started ${Math.ceil(earlyMs)} ms early` : undefined;
  });
};

/** G7: started soon after its time had come and the last fault was over. */
export const punctuality: Checker = (history) => {
  const clock = new HubClock(history);
  const calmMs = Math.max(0, ...history.map(({ kind, atMs }) => (disturbs(kind) ? atMs : 0)));
  return complaints("G7", storiesOf(history), ({ sendings, starts }) => {
    const [sending] = sendings;
    const [start] = starts;
    if (sending?.notBeforeMs === undefined || start === undefined) return undefined;
    const dueMs = sending.notBeforeMs - clock.originMs;
    const lateMs = start.atMs - Math.max(dueMs, calmMs, sending.atMs);
    return lateMs > lateMsMax ? `was started ${Math.floor(lateMs)} ms late` : undefined;
  });
};

/** G6: no handler starts later than 5 s after its message expired, by the clock of the hub. */
export const expiry: Checker = (history) => {
  const clock = new HubClock(history);
  return complaints("G6", storiesOf(history), ({ sendings, starts }) => {
    const expiresAtMs = Math.min(...sendings.map((it) => it.expiresAtMs ?? Infinity));
    for (const { atMs } of starts) {
      const lateMs = clock.leastSince(atMs - onTheWayMs, atMs) - expiresAtMs;
      if (lateMs > lateMsMax) return `was started ${Math.floor(lateMs)} ms after it expired`;
    }
    return undefined;
  });
};

/** What the clock of the hub said, as far as the events of a history show it: it may jump. */
class HubClock {
  readonly #history: ScenarioHistory;

  constructor(history: ScenarioHistory) {
    this.#history = history;
  }

  /** Its time at the beginning, and again whenever nothing is wrong with it. */
  get originMs(): number {
    const [first] = this.#history;
    return first === undefined ? 0 : first.brokerMs - first.atMs;
  }

  /** The furthest that it had come. */
  mostBy(atMs: number): number {
    let mostMs = 0;
    let before: { readonly atMs: number; readonly brokerMs: number } | undefined;
    for (const event of this.#history) {
      if (event.atMs > atMs) break;
      // Between two events it has gone on by itself, before any jump.
      const wentTo = before === undefined ? 0 : before.brokerMs + (event.atMs - before.atMs);
      mostMs = Math.max(mostMs, event.brokerMs, wentTo);
      before = event;
    }
    return mostMs;
  }

  /** The least that it said from `fromMs` on until `toMs`. */
  leastSince(fromMs: number, toMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const { atMs, brokerMs } of this.#history) {
      if (atMs > toMs) break;
      if (atMs >= fromMs) leastMs = Math.min(leastMs, brokerMs);
    }
    return leastMs;
  }
}
