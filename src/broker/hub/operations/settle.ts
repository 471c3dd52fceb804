/**
 * Settlements on the wire, with the effects that commit with them.
 *
 *   SETTLE   number u64, position u64, fence u64, outcome u8, queue text16, [delayMs u64], [error text16],
 *            resultLength u32; payload: result, effect*
 *   outcome  0 done   1 done with a result   2 failed: error   3 retry: delayMs, error
 *            4 dead: error   5 release   6 expired: error   7 rescinded: error   8 cancelled: error
 *   effect   ENQUEUE | PUBLISH | PUT | APPEND           a frame of its own; see effects.ts
 *   SETTLED  runs u32, run*                             what became of them, batched
 *   run      kind u8, count u32, number u64, [error text16]
 *            0 settled   1 stale   2 refused: error   3 indeterminate: error
 *
 * `number` counts up within the incarnation of the session and pairs an answer with its settlement.
 */
import type { ErrorInfo } from "../../../errors.ts";
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Outcome, Settlement, SettleOutcome } from "../../broker.ts";
import { readEffects, writeEffect } from "./effects.ts";
import { readError, writeError } from "./error.ts";

const outcomes = {
  done: 0,
  doneWithResult: 1,
  failed: 2,
  retry: 3,
  dead: 4,
  release: 5,
  expired: 6,
  rescinded: 7,
  cancelled: 8,
} as const;

const kinds = ["settled", "stale", "refused", "indeterminate"] as const;

const runsMax = 256;

export interface SettleOperation {
  readonly number: number;
  readonly settlement: Settlement;
}

export function writeSettle(writer: FrameWriter, number: number, settlement: Settlement): void {
  const { outcome, effects } = settlement;
  const frame = writer.begin(frameTypes.SETTLE);
  writer.uint53(number);
  writer.uint53(settlement.position);
  writer.uint53(settlement.fence);
  writer.uint8(codeOf(outcome));
  writer.text16(settlement.queue);
  if (outcome.kind === "retry") writer.uint53(Math.max(0, Math.ceil(outcome.delayMs)));
  if ("error" in outcome) writeError(writer, outcome.error);
  const result = outcome.kind === "done" ? outcome.result : undefined;
  writer.uint32(result?.length ?? 0);
  writer.endHeader(frame);
  if (result !== undefined) writer.bytes(result);
  if (effects !== undefined) for (const effect of effects) writeEffect(writer, effect);
  writer.end(frame);
}

function codeOf(outcome: Outcome): number {
  if (outcome.kind !== "done") return outcomes[outcome.kind];
  return outcome.result === undefined ? outcomes.done : outcomes.doneWithResult;
}

export function readSettle(frame: Frame): SettleOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  const position = reader.uint53("position");
  const fence = reader.uint53("fence");
  const code = reader.uint8("outcome");
  const queue = reader.recurringText16("queue");
  const delayMs = code === outcomes.retry ? reader.uint53("delayMs") : 0;
  const hasError = code >= outcomes.failed && code !== outcomes.release;
  const error = hasError ? readError(reader) : undefined;
  const resultLength = reader.uint32("resultLength");
  if (resultLength > frame.end - frame.payloadStart) {
    throw invalidMessage("resultLength", "the length of the payload at most");
  }
  const effectsStart = frame.payloadStart + resultLength;
  const result = frame.chunk.subarray(frame.payloadStart, effectsStart);
  const outcome = outcomeOf(code, delayMs, error, result);
  const claim = { queue, position, fence, outcome };
  if (effectsStart === frame.end) return { number, settlement: claim };
  return { number, settlement: { ...claim, effects: readEffects(frame, effectsStart) } };
}

function outcomeOf(
  code: number,
  delayMs: number,
  error: ErrorInfo | undefined,
  result: Uint8Array,
): Outcome {
  switch (code) {
    case outcomes.done:
      return done;
    case outcomes.doneWithResult:
      return { kind: "done", result };
    case outcomes.release:
      return { kind: "release" };
    case outcomes.failed:
      return { kind: "failed", error: error as ErrorInfo };
    case outcomes.retry:
      return { kind: "retry", delayMs, error: error as ErrorInfo };
    case outcomes.dead:
      return { kind: "dead", error: error as ErrorInfo };
    case outcomes.expired:
      return { kind: "expired", error: error as ErrorInfo };
    case outcomes.rescinded:
      return { kind: "rescinded", error: error as ErrorInfo };
    case outcomes.cancelled:
      return { kind: "cancelled", error: error as ErrorInfo };
    default:
      throw invalidMessage("outcome", "a number from 0 to 8");
  }
}

const done: Outcome = Object.freeze({ kind: "done" });

/** @param numbers - of the settlements, one for each outcome. */
export function writeSettled(
  writer: FrameWriter,
  numbers: readonly number[],
  settled: readonly SettleOutcome[],
): void {
  for (let next = 0; next < settled.length; ) {
    const frame = writer.begin(frameTypes.SETTLED);
    const countAt = writer.length;
    writer.uint32(0);
    let runs = 0;
    for (; next < settled.length && runs < runsMax; runs++) {
      next = writeRun(writer, numbers, settled, next);
    }
    writer.patchUint32(countAt, runs);
    writer.endHeader(frame);
    writer.end(frame);
  }
}

/** @returns the index behind the run. */
function writeRun(
  writer: FrameWriter,
  numbers: readonly number[],
  settled: readonly SettleOutcome[],
  first: number,
): number {
  const outcome = settled[first] as SettleOutcome;
  const number = numbers[first] as number;
  const plain = outcome.kind === "settled" || outcome.kind === "stale";
  let end = first + 1;
  while (
    plain &&
    end < settled.length &&
    settled[end]?.kind === outcome.kind &&
    numbers[end] === number + end - first
  ) {
    end++;
  }
  writer.uint8(kinds.indexOf(outcome.kind));
  writer.uint32(end - first);
  writer.uint53(number);
  if (outcome.kind === "refused" || outcome.kind === "indeterminate") {
    writeError(writer, outcome.error);
  }
  return end;
}

export type TellSettled = (number: number, outcome: SettleOutcome) => void;

const settledOutcome: SettleOutcome = Object.freeze({ kind: "settled" });
const staleOutcome: SettleOutcome = Object.freeze({ kind: "stale" });
const runSettlementsMax = 1_000_000;

export function readSettled(frame: Frame, tell: TellSettled): void {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const kind = kinds[reader.uint8("kind")];
    if (kind === undefined) throw invalidMessage("kind", "a number from 0 to 3");
    const count = reader.uint32("count");
    if (count > runSettlementsMax) throw invalidMessage("count", `up to ${runSettlementsMax}`);
    const number = reader.uint53("number");
    let outcome = kind === "settled" ? settledOutcome : staleOutcome;
    if (kind === "refused" || kind === "indeterminate")
      outcome = { kind, error: readError(reader) };
    for (let index = 0; index < count; index++) tell(number + index, outcome);
  }
}
