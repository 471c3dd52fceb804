/** What a message that is not final looks like from outside. */
import type { Attempts, MessageState } from "../broker.ts";
import type { Core } from "./core.ts";
import { lifeOf } from "./life.ts";
import { Page } from "./page.ts";
import { openNumber } from "./questions.ts";
import { laneNumbers, type Queue } from "./queue.ts";
import { freshHistory, laneKey, returnedKey, returnedPage, scheduledKey } from "./returned.ts";
import { Slot } from "./slot.ts";

export function liveState(core: Core, queue: Queue, position: number): MessageState {
  const held = queue.active?.held.get(position);
  const slot = held ?? storedAt(core, queue, position);
  const attempts: Attempts = (slot?.history ?? freshHistory).attempts;
  const state = held === undefined ? "queued" : lifeOf(held);
  const questions = core.questions.of(queue.number, position);
  const number = openNumber(questions);
  const question = questions?.[number - 1];
  if (question !== undefined && state !== "started") {
    return { state: "waiting-input", attempts, number, question: question.data };
  }
  const progress = held?.story?.progress;
  const shown = state === "waiting-input" ? "started" : state;
  return progress === undefined ? { state: shown, attempts } : { state: shown, attempts, progress };
}

/** The message in its row, whatever is in memory; undefined when it is final. */
export function storedAt(core: Core, queue: Queue, position: number): Slot | undefined {
  const { storage } = core;
  for (const lane of laneNumbers) {
    for (const a of [returnedKey(queue.number, lane), scheduledKey(queue.number, lane)]) {
      const value = storage.read("later", a, position);
      if (value !== undefined) return new Slot(returnedPage({ a, b: position, value }), 0, lane);
    }
    const row = storage.floor("page", laneKey(queue.number, lane), position);
    if (row === undefined) continue;
    const page = new Page("page", row, row.value, storage.read("settled", row.a, row.b));
    const index = page.indexOf(position);
    if (index !== -1 && !page.isFinal(index)) return new Slot(page, index, lane);
  }
  return undefined;
}
