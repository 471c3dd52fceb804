/** Paths that are tried in turn, each only where those before it cannot have done the work. */
import { ColloquyError, isColloquyError, toColloquyError } from "../errors.ts";
import type { Address } from "../message/address.ts";
import type { Ask, Outgoing } from "./policy.ts";
import { retryAfterMs } from "./refusals.ts";

/** What one path said; in `details.paths` of the error when none did the work. */
export interface PathFailure {
  readonly to: Address;
  readonly code: string;
  readonly message: string;
}

/**
 * True when nothing was done: the error may be repeated, or nobody there knows the name. A failure
 * that a handler let through from a call of its own says nothing about the handler.
 */
export function nothingDone(error: unknown): boolean {
  if (!isColloquyError(error) || "through" in error.details) return false;
  return error.retryable || error.code === "NO_HANDLER";
}

/**
 * @returns what the first path gives that does the work.
 * @throws the last path's error, with `details.paths` naming what each said; `retryable` when none of
 *   them did anything and one of them may later.
 */
export async function firstOf<Value>(
  first: Address,
  rest: readonly Address[],
  take: (to: Address) => Promise<Value>,
): Promise<Value> {
  const failures: Failure[] = [];
  for (let to = first, next = 0; ; next++) {
    try {
      return await take(to);
    } catch (thrown) {
      failures.push({ to, error: toColloquyError(thrown) });
      const other = rest[next];
      if (!nothingDone(thrown)) throw failureOf(failures, false);
      if (other === undefined) throw failureOf(failures, true);
      to = other;
    }
  }
}

/** Asks under the paths of a request. */
export function fallingBack<Request extends Outgoing>(ask: Ask<Request>): Ask<Request> {
  return (request) => {
    const { to, fallback } = request;
    if (fallback.length === 0) return ask(request);
    return firstOf(to, fallback, (path) => ask({ ...request, to: path }));
  };
}

interface Failure {
  readonly to: Address;
  readonly error: ColloquyError;
}

function failureOf(failures: readonly Failure[], untouched: boolean): ColloquyError {
  const { error } = failures.at(-1) as Failure;
  const { retryAfterMs: _, ...details } = error.details;
  const again = failures.filter((it) => it.error.retryable);
  // The first that may be asked again decides when.
  const waitMs = Math.min(...again.map((it) => retryAfterMs(it.error)));
  const paths: readonly PathFailure[] = failures.map((it) => ({
    to: it.to,
    code: it.error.code,
    message: it.error.message,
  }));
  const message =
    paths.length === 1
      ? error.message
      : paths.map(({ to, code, message: said }) => `${to}: ${code}, ${said}`).join("; ");
  return new ColloquyError(error.code, message, {
    cause: error.cause ?? error,
    details: {
      ...details,
      ...(waitMs > 0 && Number.isFinite(waitMs) ? { retryAfterMs: waitMs } : {}),
      paths,
    },
    retryable: untouched && again.length > 0,
  });
}
