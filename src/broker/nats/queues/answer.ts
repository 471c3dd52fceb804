/** Somebody answers a question that the handler of a message has asked. */
import { isColloquyError } from "../../../errors.ts";
import { throwIfAborted } from "../../../runtime/abort.ts";
import type { Answer, AnswerOutcome } from "../../broker.ts";
import { unclearAnswer } from "../../unclear.ts";
import { notifyHolder, type QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";
import { loadItem } from "./load.ts";
import { isFinal, type LiveRecord, type MessageRecord, openQuestion } from "./record.ts";
import { enter, refresh } from "./report.ts";

export async function giveAnswer(
  hub: QueueHub,
  queue: string,
  position: number,
  answer: Answer,
  signal?: AbortSignal,
): Promise<AnswerOutcome> {
  const { number } = answer;
  const data = Buffer.from(answer.data).toString("base64");
  let mayBeTaken = false;
  for (;;) {
    throwIfAborted(signal);
    const held = hub.held(queue, position);
    const item = held ?? (await loadItem(hub, queue, position, signal));
    const at = item?.record ?? (await hub.records.readOne(queue, position, signal));
    const next = answered(at?.record, number, data);
    if (next === "too-late" && mayBeTaken && at !== undefined && isFinal(at.record)) {
      throw unclearAnswer();
    }
    if (typeof next === "string") return next;
    if (item === undefined) return "unknown";
    try {
      item.record = await hub.endings.write(queue, position, next, at?.seq ?? 0);
    } catch (error) {
      if (!isColloquyError(error, "CONFLICT")) throw error;
      mayBeTaken ||= error.details["repeated"] === true;
      if (held === undefined || (await refresh(hub, held))) continue;
      if (mayBeTaken) throw unclearAnswer();
      return "too-late";
    }
    await pass(hub, item, held !== undefined, answer, data);
    return "accepted";
  }
}

/** The record with one more answer, or why there can be none. */
function answered(
  record: MessageRecord | undefined,
  number: number,
  data: string,
): LiveRecord | AnswerOutcome {
  if (record === undefined) return "unknown";
  if (isFinal(record)) return "too-late";
  const { questions = [] } = record;
  const question = questions[number - 1];
  if (question === undefined) return "unknown";
  if (question.answer !== undefined) return question.answer === data ? "accepted" : "too-late";
  return { ...record, questions: questions.with(number - 1, { ...question, answer: data }) };
}

async function pass(
  hub: QueueHub,
  item: Item,
  isHere: boolean,
  answer: Answer,
  data: string,
): Promise<void> {
  const { queue, position } = item;
  if (isHere) {
    takeAnswer(hub, item, answer);
    return;
  }
  const { number } = answer;
  const answers = await hub.askOthers(queue, { op: "input", queue, position, number, data });
  // Nobody has it: it is offered again, also before the time that it was put off to.
  if (!answers.some(({ held }) => held === true)) hub.endings.giveBack(item.reply, 0);
}

/** An answer has come for a message in this client's hands, whose record has it. */
export function takeAnswer(hub: QueueHub, item: Item, answer: Answer): void {
  if (item.phase === "waiting-input" && item.live !== undefined && openQuestion(item.live) === 0) {
    enter(item, "started");
  }
  notifyHolder(item, { kind: "input", claim: item.claim, answer });
  hub.changed(item.queue, item.position);
}
