/** Settlements as parameters of a script (scripts/settle.ts), and what it answers. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../../errors.ts";
import type { Effect, Settlement, SettleOutcome } from "../../broker.ts";
import { frameArgument, type RedisArgument, type RedisReply } from "../client.ts";
import { areSame, obstacleError } from "./messages.ts";

/** What effects need of the other ports. */
export interface EffectTools {
  readonly channel: (topic: string) => string;
  readonly publication: (frame: Uint8Array) => Buffer;
  readonly message: (
    effect: Extract<Effect, { readonly kind: "enqueue" }>,
  ) => readonly RedisArgument[];
  readonly put: (effect: Extract<Effect, { readonly kind: "put" }>) => readonly RedisArgument[];
}

/** Of an error in a dead letter's history. */
const shortCharactersMax = 2_048;

/** Neighbours with the same outcome and without effects make a run. */
export function settlementParameters(
  settlements: readonly Settlement[],
  tools: EffectTools,
): readonly RedisArgument[] {
  const parameters: RedisArgument[] = [];
  let run: readonly RedisArgument[] = [];
  let countAt = 0;
  let count = 0;
  for (const settlement of settlements) {
    const { position, fence, effects = [] } = settlement;
    const ending = endingParameters(settlement);
    if (effects.length > 0 || !areSame(ending, run)) {
      run = effects.length > 0 ? [] : ending;
      count = 0;
      countAt = parameters.length;
      parameters.push("", ...ending, String(effects.length));
      for (const effect of effects) {
        const own = effectParameters(effect, tools);
        parameters.push(effect.kind, String(own.length), ...own);
      }
    }
    parameters[countAt] = String(++count);
    parameters.push(String(position), String(fence));
  }
  return parameters;
}

function endingParameters({ queue, outcome }: Settlement): readonly RedisArgument[] {
  if (outcome.kind === "done") {
    const { result } = outcome;
    if (result === undefined) return [queue, outcome.kind, "", "", "0"];
    return [queue, outcome.kind, frameArgument(result), "result", "0"];
  }
  if (!("error" in outcome)) return [queue, outcome.kind, "", "", "0"];
  const delayMs = outcome.kind === "retry" ? Math.ceil(outcome.delayMs) : 0;
  const error = JSON.stringify(outcome.error);
  return [queue, outcome.kind, error, shortError(outcome.error), String(delayMs)];
}

function effectParameters(effect: Effect, tools: EffectTools): readonly RedisArgument[] {
  switch (effect.kind) {
    case "enqueue":
      return [effect.queue, ...tools.message(effect)];
    case "publish":
      return [tools.channel(effect.topic), tools.publication(effect.frame)];
    case "put":
      return tools.put(effect);
    case "append": {
      const { stream, entries, at } = effect;
      return [stream, at === undefined ? "" : String(at), ...entries.map(frameArgument)];
    }
  }
}

const settled: SettleOutcome = Object.freeze({ kind: "settled" });
const stale: SettleOutcome = Object.freeze({ kind: "stale" });

/** @param answer - 1 settled, 0 stale, or why it is refused and the details of that. */
export function settleOutcome(answer: RedisReply): SettleOutcome {
  if (!Array.isArray(answer)) return answer === 1 ? settled : stale;
  const [why, ...details] = answer.map(String);
  return { kind: "refused", error: errorInfo(refusal(why ?? "", details)) };
}

function refusal(why: string, details: readonly string[]): ColloquyError {
  const [name = "", present = ""] = details;
  switch (why) {
    case "illegal": {
      const text = `a message that is ${name} cannot become ${present}`;
      return new ColloquyError("INTERNAL_ERROR", text, { details: { from: name, to: present } });
    }
    case "key":
    case "stream": {
      const text = `${why} "${name}" is at ${present}`;
      return new ColloquyError("CONFLICT", text, {
        details: { field: why, name, present: Number(present) },
      });
    }
    default:
      return obstacleError(why, name, undefined);
  }
}

export function shortError(error: ErrorInfo): string {
  const whole = JSON.stringify(error);
  if (whole.length <= shortCharactersMax) return whole;
  const { code, message, retryable } = error;
  return JSON.stringify({ code, message: message.slice(0, shortCharactersMax / 2), retryable });
}

/** Bytes of its result and of what its effects store. */
export function settlementBytes({ outcome, effects = [] }: Settlement): number {
  let bytes = outcome.kind === "done" ? (outcome.result?.length ?? 0) : 0;
  for (const effect of effects) {
    if (effect.kind === "enqueue") bytes += effect.message.frame.length;
    else if (effect.kind === "publish") bytes += effect.frame.length;
    else if (effect.kind === "put") bytes += effect.value?.length ?? 0;
    else for (const entry of effect.entries) bytes += entry.length;
  }
  return bytes;
}
