/** Following a durable message to its end, and saying what has become of it. */
import type { Outcome, Progress, Receipt } from "../../exchange/commands/receipt.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";
import { errorText, remark, writeValue } from "./output.ts";
import type { AnswerQuestion } from "./questions.ts";
import { valueText } from "./text.ts";

export interface Following {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** Told of each state on the way. */
  readonly onProgress: (progress: Progress) => unknown;
  /** Answers what the handler asks. */
  readonly ask: AnswerQuestion | undefined;
}

/** Resolves with the outcome. A question that nobody can answer here is told, and waited for. */
export async function follow(receipt: Receipt, following: Following): Promise<Outcome> {
  const { terminal, signal, onProgress, ask } = following;
  for await (const state of receipt.updates({ signal })) {
    if (!("attempts" in state)) return state;
    await onProgress(state);
    if (state.state !== "waiting-input" || ask === undefined) continue;
    const { question, number } = state;
    const taken = await ask(question, signal).then((it) => receipt.answer(it, { number, signal }));
    if (taken === "too-late") remark("somebody else has answered", terminal);
  }
  return receipt.settled({ signal });
}

/** `started, attempt 2 (1 failure), "looking"` */
export function progressText(progress: Progress): string {
  const { state, attempts } = progress;
  const { failures, pickups, crashes } = attempts;
  const past = [
    [failures, "failed"],
    [pickups, "came back"],
    [crashes, "crashed"],
  ].flatMap(([times, what]) => (times === 0 ? [] : [`${times} ${what}`]));
  const news =
    progress.state === "waiting-input" ? progress.question : (progress.progress ?? undefined);
  const parts = [past.length === 0 ? state : `${state} (${past.join(", ")})`];
  if (news !== undefined) parts.push(valueText(news));
  return parts.join(": ");
}

/** @returns 0 where nothing more comes of it, else 1. */
export async function writeWithdrawal(
  id: string,
  outcome: "accepted" | "rescinded" | "too-late" | "unreachable",
  json: boolean,
  terminal: Terminal,
): Promise<ExitCode> {
  await writeLine(terminal.out, json ? jsonLine({ id, outcome }) : outcome);
  const succeeded = outcome === "accepted" || outcome === "rescinded";
  return succeeded ? exitCodes.done : exitCodes.failed;
}

/** @returns 0 where it is done, else 1. */
export async function writeOutcome(
  id: string,
  outcome: Outcome,
  json: boolean,
  terminal: Terminal,
): Promise<ExitCode> {
  if (json) await writeLine(terminal.out, jsonLine({ id, ...outcome }));
  else {
    await writeLine(terminal.out, outcome.state);
    if ("error" in outcome) await writeLine(terminal.out, `  ${errorText(outcome.error)}`);
    else if ("result" in outcome) await writeValue(outcome.result, false, terminal);
  }
  return outcome.state === "done" ? exitCodes.done : exitCodes.failed;
}
