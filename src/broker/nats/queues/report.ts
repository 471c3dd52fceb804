/** What the holders of messages tell about them before they settle them. */
import { ColloquyError, errorInfo, isColloquyError } from "../../../errors.ts";
import type { Report, ReportOutcome } from "../../broker.ts";
import { clientError } from "../errors.ts";
import { notifyHolder, type QueueHub } from "./hub.ts";
import type { Item, Phase } from "./item.ts";
import { firstLife, type LiveRecord, openQuestion } from "./record.ts";

const taken: ReportOutcome = Object.freeze({ kind: "taken" });
const stale: ReportOutcome = Object.freeze({ kind: "stale" });
/** Questions of one message. */
const questionsMax = 1_000;
const triesMax = 10;

type Asked = Extract<Report, { readonly kind: "waiting-input" }>;

export function report(
  hub: QueueHub,
  reports: readonly Report[],
): Promise<readonly ReportOutcome[]> {
  return Promise.all(reports.map((each) => take(hub, each)));
}

async function take(hub: QueueHub, told: Report): Promise<ReportOutcome> {
  const { queue, position, fence } = told;
  const item = hub.held(queue, position);
  if (item === undefined || item.fence !== fence || item.over !== undefined) return stale;
  if (item.stage !== "held") return stale;
  if (told.kind === "waiting-input") return await ask(hub, item, told);
  item.hasReported = true;
  if (told.kind === "progress") item.progress = told.data;
  if (told.kind !== "unstarted") {
    enter(item, "started");
    item.answerWithdrawals("too-late");
  }
  hub.changed(queue, position);
  return taken;
}

async function ask(hub: QueueHub, item: Item, told: Asked): Promise<ReportOutcome> {
  const { number } = told;
  for (let tries = 1; ; tries++) {
    const questions = item.live?.questions ?? [];
    const answer = questions[number - 1]?.answer;
    if (answer !== undefined) {
      const data = Buffer.from(answer, "base64");
      notifyHolder(item, { kind: "input", claim: item.claim, answer: { number, data } });
      return taken;
    }
    const problem = number > questions.length ? numberProblem(number, questions.length) : undefined;
    if (problem !== undefined) return { kind: "refused", error: errorInfo(problem) };
    try {
      if (number > questions.length) await writeQuestion(hub, item, told);
      break;
    } catch (thrown) {
      if (!isColloquyError(thrown, "CONFLICT")) return failure(thrown);
      if (tries === triesMax || !(await refresh(hub, item))) return stale;
    }
  }
  const isAnswered = item.live !== undefined && openQuestion(item.live) === 0;
  enter(item, isAnswered ? "started" : "waiting-input");
  item.answerWithdrawals("too-late");
  hub.changed(item.queue, item.position);
  hub.queues.get(item.queue)?.pump();
  return taken;
}

/** @throws CLOSED. */
function failure(thrown: unknown): ReportOutcome {
  const error = clientError(thrown, "queues.report");
  if (error.code === "CLOSED") throw error;
  const kind = error.code === "INDETERMINATE" ? "indeterminate" : "refused";
  return { kind, error: errorInfo(error) };
}

/** @throws CONFLICT. */
async function writeQuestion(hub: QueueHub, item: Item, { question }: Asked): Promise<void> {
  const life = item.live ?? firstLife;
  const asked = { question: Buffer.from(question).toString("base64") };
  const record: LiveRecord = {
    ...life,
    ...{ state: "open", attempt: item.attempt, by: hub.clientId },
    consumer: item.receiver?.consumer ?? life.consumer,
    questions: [...(life.questions ?? []), asked],
  };
  const at = await hub.endings.write(item.queue, item.position, record, item.expected);
  // Somebody may have answered before this client knew that the question was stored.
  if (at.seq > item.expected) item.record = at;
}

/** Takes over the latest record of the item. @returns false where that is not of this attempt. */
export async function refresh(hub: QueueHub, item: Item): Promise<boolean> {
  const at = await hub.records.readOne(item.queue, item.position);
  const record = at?.record;
  if (record === undefined) return item.expected === 0;
  if (record.state !== "open" || record.attempt !== item.attempt) return false;
  item.record = at;
  return true;
}

export function enter(item: Item, phase: Phase): void {
  item.hasReported = true;
  if (item.receiver === undefined) item.phase = phase;
  else item.receiver.enter(item, phase);
}

function numberProblem(number: number, asked: number): ColloquyError | undefined {
  if (number === asked + 1 && number <= questionsMax) return undefined;
  const limit = `${asked + 1}, at most ${questionsMax}`;
  const details = { field: "number", value: number, limit };
  return new ColloquyError("INVALID_OPTION", `number: ${number} is not ${limit}`, { details });
}
