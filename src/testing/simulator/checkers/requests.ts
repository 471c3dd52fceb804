import type { ScenarioHistory } from "../events.ts";
import type { Checker, Violation } from "./checker.ts";

/** All that a history says about one request or stream. */
interface Exchange {
  handlings: number;
  ends: number;
  answer: string | undefined;
  outcome: string | undefined;
  chunks: readonly number[] | undefined;
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
 * A request ends once, with its own answer or with an error that is true about the work; its handler
 * is started at most once. A stream brings its chunks in order and without a gap, and all of them
 * before it ends well.
 */
export const requests: Checker = (history) =>
  [...exchangesOf(history)].flatMap(([request, exchange]): Violation[] => {
    const what = problemOf(request, exchange);
    return what === undefined ? [] : [{ promise: "requests", what: `${request} ${what}` }];
  });

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
    const exchange = exchanges.get(event.request) ?? begun();
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
        break;
      case "unanswered":
        exchange.ends++;
        exchange.outcome = event.outcome;
        break;
      case "read":
        exchange.chunks = event.chunks;
        break;
      case "handled":
        break;
    }
  }
  return exchanges;
}

function begun(): Exchange {
  return {
    handlings: 0,
    ends: 0,
    answer: undefined,
    outcome: undefined,
    chunks: undefined,
    orphaned: false,
  };
}
