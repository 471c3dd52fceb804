import { observerName, type ScenarioHistory } from "../events.ts";
import { type Checker, disturbs, type Violation } from "./checker.ts";

/** All that a history says about one request or stream. */
interface Exchange {
  handlings: number;
  ends: number;
  answer: string | undefined;
  outcome: string | undefined;
  chunks: readonly number[] | undefined;
  /** When it was asked, and when each chunk and the end came. */
  cameMs: number[];
  /** The asker died with it. */
  orphaned: boolean;
}

/** What the handler of request `id` answers: nobody else's answer looks like it. */
export function answerTo(request: string): string {
  return `answer to ${request}`;
}

/** How many chunks the stream `request` has. */
export function chunksOf(request: string): number {
  return 3 + ((Number(request.split("-")[1] ?? 0) * 7) % 20);
}

/**
 * How long nothing may come of one once nothing is in its way any more. Whoever has reconnected gives the
 * others four seconds to do so, and no handler takes that long.
 */
const stillMsMax = 5_000;

/**
 * A request ends once, with its own answer or with an error that is true about the work; its handler
 * is started at most once. A stream brings its chunks in order and without a gap, and all of them
 * before it ends well. Once all faults are over nothing stands still, be it until it times out.
 */
export const requests: Checker = (history) => {
  const calmMs = calmSince(history);
  return [...exchangesOf(history)].flatMap(([request, exchange]): Violation[] => {
    const what = problemOf(request, exchange) ?? standstill(exchange, calmMs);
    return what === undefined ? [] : [{ promise: "requests", what: `${request} ${what}` }];
  });
};

/** When the last fault was over. */
function calmSince(history: ScenarioHistory): number {
  const last = history.findLast(({ kind, process }) => process !== observerName && disturbs(kind));
  return last?.atMs ?? 0;
}

function standstill({ cameMs }: Exchange, calmMs: number): string | undefined {
  for (const [index, atMs] of cameMs.entries()) {
    const stillMs = atMs - Math.max(calmMs, cameMs[index - 1] ?? atMs);
    if (stillMs > stillMsMax) return `stood still for ${Math.floor(stillMs)} ms`;
  }
  return undefined;
}

function problemOf(request: string, exchange: Exchange): string | undefined {
  const { handlings, ends, answer, outcome, chunks, orphaned } = exchange;
  if (handlings > 1) return `was handled ${handlings} times`;
  if (ends > 1) return `ended ${ends} times`;
  if (ends === 0) return orphaned ? undefined : "never ended";
  if (answer !== undefined && answer !== answerTo(request)) return `was answered "${answer}"`;
  if (outcome === "not-started" && handlings > 0) return "was started, and its error denies it";
  if (chunks === undefined) return undefined;
  const gap = chunks.findIndex((chunk, index) => chunk !== index);
  if (gap !== -1) return `had chunk ${chunks[gap]} where ${gap} belongs`;
  if (answer !== undefined && chunks.length !== chunksOf(request)) {
    return `ended well after ${chunks.length} of ${chunksOf(request)} chunks`;
  }
  return undefined;
}

function exchangesOf(history: ScenarioHistory): ReadonlyMap<string, Exchange> {
  const exchanges = new Map<string, Exchange>();
  const askers = new Map<string, string[]>();
  for (const event of history) {
    if (event.kind === "killed") {
      for (const request of askers.get(event.process) ?? []) {
        const exchange = exchanges.get(request);
        if (exchange !== undefined) exchange.orphaned = true;
      }
    }
    if (!("request" in event)) continue;
    const exchange = exchanges.get(event.request) ?? begun(event.atMs);
    exchanges.set(event.request, exchange);
    switch (event.kind) {
      case "asking":
        askers.set(event.process, [...(askers.get(event.process) ?? []), event.request]);
        break;
      case "handling":
        exchange.handlings++;
        break;
      case "answered":
        exchange.ends++;
        exchange.answer = event.answer;
        exchange.cameMs.push(event.atMs);
        break;
      case "unanswered":
        exchange.ends++;
        exchange.outcome = event.outcome;
        exchange.cameMs.push(event.atMs);
        break;
      case "read":
        exchange.chunks = event.chunks;
        exchange.cameMs.push(...event.cameMs);
        break;
      case "handled":
        break;
    }
  }
  return exchanges;
}

function begun(atMs: number): Exchange {
  return {
    handlings: 0,
    ends: 0,
    answer: undefined,
    outcome: undefined,
    chunks: undefined,
    cameMs: [atMs],
    orphaned: false,
  };
}
