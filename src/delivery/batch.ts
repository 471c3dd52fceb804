/**
 * Messages handled several at a time: a handler of many becomes a handler of one. A batch is handed on
 * when it is full, or when its first message has waited long enough.
 */
import { ColloquyError, isColloquyError } from "../errors.ts";
import { number, switchOf, wholeNumber } from "../message/checks.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import { type Switch, switched } from "./policy.ts";

export interface BatchOptions {
  /** Messages in a batch, at most; never more than the agent's capacity. Default: 100. */
  readonly sizeMax: number;
  /** Milliseconds that the first one waits for others, at most; 0 or more. Default: 10. */
  readonly waitMs: number;
}

const defaultBatch: BatchOptions = { sizeMax: 100, waitMs: 10 };

const checkBatch = switchOf<BatchOptions>({
  sizeMax: wholeNumber(1, 1_000_000),
  waitMs: number(0),
});

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function batchOptions(given: Switch<BatchOptions> | undefined): BatchOptions | undefined {
  if (given !== undefined) checkBatch("batch", given);
  return switched(given, defaultBatch);
}

/** For each input, at its place, the result; or the error that this message alone has failed with. */
export type BatchResults<Output> = readonly (Output | Error)[];

/**
 * Handles `inputs` together; `contexts[n]` belongs to `inputs[n]`. Throwing fails all of them.
 */
export type BatchFunction<Input, Context, Output> = (
  inputs: readonly Input[],
  contexts: readonly Context[],
) => BatchResults<Output> | PromiseLike<BatchResults<Output>>;

interface Item<Input, Context> {
  readonly input: Input;
  readonly context: Context;
  readonly answer: Deferred<unknown>;
}

/** @returns a handler of one that hands several to `handle`; each gets its own result or error. */
export function batching<Input, Context extends { readonly signal: AbortSignal }>(
  handle: BatchFunction<Input, Context, unknown>,
  { sizeMax, waitMs }: BatchOptions,
  clock: Clock,
): (input: Input, context: Context) => Promise<unknown> {
  let waiting: Item<Input, Context>[] = [];
  let timer: Timer | undefined;

  const flush = () => {
    timer?.cancel();
    timer = undefined;
    const items = waiting;
    waiting = [];
    void handleAll(items.filter(stillWanted), handle);
  };

  return (input, context) => {
    const answer = new Deferred<unknown>();
    waiting.push({ input, context, answer });
    if (waiting.length >= sizeMax) flush();
    else timer ??= clock.setTimer(waitMs, flush);
    return answer.promise;
  };
}

/** Whose caller has left while it waited is not handled. */
function stillWanted({
  context,
  answer,
}: Item<unknown, { readonly signal: AbortSignal }>): boolean {
  if (!context.signal.aborted) return true;
  answer.reject(new ColloquyError("CANCELLED", "cancelled before it was handled"));
  return false;
}

/** Settles every item; never rejects. */
async function handleAll<Input, Context>(
  items: readonly Item<Input, Context>[],
  handle: BatchFunction<Input, Context, unknown>,
): Promise<void> {
  if (items.length === 0) return;
  try {
    const results: unknown = await handle(
      items.map(({ input }) => input),
      items.map(({ context }) => context),
    );
    if (!Array.isArray(results) || results.length !== items.length) {
      throw new TypeError(`a batch of ${items.length} needs an array of ${items.length} results`);
    }
    for (const [index, { answer }] of items.entries()) {
      const result: unknown = results[index];
      if (result instanceof Error || isColloquyError(result)) answer.reject(result);
      else answer.resolve(result);
    }
  } catch (error) {
    for (const { answer } of items) answer.reject(error);
  }
}
