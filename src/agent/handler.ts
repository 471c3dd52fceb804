/** What runs for one method or command: the user's function between its schemas, composed once. */

import type { BatchFunction, BatchOptions } from "../delivery/batch.ts";
import type { Retries, RetryPolicy } from "../delivery/retry.ts";
import { ColloquyError } from "../errors.ts";
import type { Context } from "./context.ts";
import { type AnySchema, type Member, validate } from "./protocol.ts";

export interface HandlerOptions {
  /** When a failed command is tried again. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Of a stream: where its process ends, the reader goes on with the same agent in its next life, or
   * with another of the pool. The handler is called again with the same input, and has to go on behind
   * chunk `context.resumeFrom`. Default: false.
   */
  readonly resumable?: boolean;
}

export interface BatchHandlerOptions extends HandlerOptions {
  /**
   * Hand it several messages at a time. Each keeps its own outcome and attempts, and its own context:
   * what is staged through `contexts[n]` commits with the settlement of `inputs[n]` alone, and is
   * forgotten where its result is an error. `true` takes the defaults: 100 messages or 10 ms.
   */
  readonly batch: true | Partial<BatchOptions>;
}

/** A handler of several messages at a time, and what each of them came to. */
export type BatchHandler<Input, Output = unknown> = BatchFunction<Input, Context, Output>;

export type HandlerFunction = (input: unknown, context: Context) => unknown;

export interface Handler {
  readonly name: string;
  readonly run: HandlerFunction;
  readonly retry: Retries;
  readonly resumable: boolean;
}

/** Checks the input before, and the answer after, where there are schemas. */
export function composeHandler(
  member: Member | undefined,
  handle: HandlerFunction,
): HandlerFunction {
  if (member === undefined || member.kind === "event") return handle;
  const { input, output } = member;
  if (member.kind === "stream") {
    return throughInput(input, (value, context) =>
      checkChunks(handle(value, context), member.chunk, output, member.name),
    );
  }
  return throughInput(input, output === undefined ? handle : throughOutput(output, handle));
}

function throughInput(schema: AnySchema | undefined, handle: HandlerFunction): HandlerFunction {
  if (schema === undefined) return handle;
  return (input, context) => {
    const value = validate(schema, input, "input");
    return isPromise(value) ? value.then((it) => handle(it, context)) : handle(value, context);
  };
}

function throughOutput(schema: AnySchema, handle: HandlerFunction): HandlerFunction {
  return (input, context) => {
    const result = handle(input, context);
    return isPromise(result)
      ? result.then((value) => validate(schema, value, "output"))
      : validate(schema, result, "output");
  };
}

async function* checkChunks(
  chunks: unknown,
  chunkSchema: AnySchema | undefined,
  outputSchema: AnySchema | undefined,
  name: string,
): AsyncGenerator<unknown, unknown, undefined> {
  if (!isChunks(chunks)) {
    throw new ColloquyError("HANDLER_FAILED", `the handler of ${name} must return chunks`, {
      details: { name, expected: "an async iterable" },
    });
  }
  const iterator = chunks[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) {
        ended = true;
        return outputSchema === undefined
          ? step.value
          : validate(outputSchema, step.value, "output");
      }
      yield chunkSchema === undefined
        ? step.value
        : await validate(chunkSchema, step.value, "chunk");
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

export function isChunks(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
}
