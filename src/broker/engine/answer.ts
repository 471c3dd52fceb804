/** Somebody answers a question that the handler of a message has asked. */
import type { ColloquyError } from "../../errors.ts";
import { sameBytes } from "../../runtime/same-bytes.ts";
import type { Answer, AnswerOutcome } from "../broker.ts";
import { liveAt } from "./cancel.ts";
import type { Core } from "./core.ts";
import { claimOf, tellFollowers } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import { tooLarge } from "./intake.ts";
import { enter } from "./life.ts";
import { full } from "./limits.ts";
import { openNumber, type Questions } from "./questions.ts";
import type { Queue } from "./queue.ts";

export class GiveAnswer implements Operation {
  readonly messages = 1;
  readonly bytes: number;
  readonly #core: Core;
  readonly #queue: string;
  readonly #position: number;
  readonly #answer: Answer;
  readonly #tell: (outcome: AnswerOutcome) => void;
  readonly #refuse: (error: ColloquyError) => void;
  #outcome: AnswerOutcome | ColloquyError = "unknown";

  constructor(
    core: Core,
    message: { readonly queue: string; readonly position: number },
    answer: Answer,
    tell: (outcome: AnswerOutcome) => void,
    refuse: (error: ColloquyError) => void,
  ) {
    this.#core = core;
    this.#queue = message.queue;
    this.#position = message.position;
    this.#answer = answer;
    this.#tell = tell;
    this.#refuse = refuse;
    this.bytes = answer.data.length;
  }

  decide(group: Group): void {
    const queue = this.#core.directory.declared(this.#queue);
    const there = queue !== undefined && this.#position >= 1 && this.#position < queue.next;
    this.#outcome = there ? this.#decide(group, queue) : "unknown";
  }

  committed(): void {
    if (typeof this.#outcome === "string") this.#tell(this.#outcome);
    else this.#refuse(this.#outcome);
  }

  failed(error: ColloquyError): void {
    this.#refuse(error);
  }

  #decide(group: Group, queue: Queue): AnswerOutcome | ColloquyError {
    const core = this.#core;
    const { number, data } = this.#answer;
    const questions = core.questions.of(queue.number, this.#position);
    const question = questions?.[number - 1];
    if (questions === undefined || question === undefined) return this.#unasked(queue);
    if (question.answer !== undefined) {
      return sameBytes(question.answer, data) ? "accepted" : "too-late";
    }
    const problem = this.#problem();
    if (problem !== undefined) return problem;
    const answered = questions.with(number - 1, { ...question, answer: data });
    core.questions.put(group, queue.number, this.#position, answered);
    group.afterwards(() => this.#pass(queue, answered));
    return "accepted";
  }

  /** What is final has no questions any more. */
  #unasked(queue: Queue): AnswerOutcome {
    const slot = liveAt(this.#core, queue, this.#position);
    if (slot?.state === "loose") queue.active?.lane(slot.lane).forget(slot);
    return slot === undefined ? "too-late" : "unknown";
  }

  #pass(queue: Queue, questions: Questions): void {
    const slot = queue.active?.held.get(this.#position);
    if (slot?.state === "held") {
      const claim = claimOf(queue, slot);
      if (slot.story?.phase === "waiting-input" && openNumber(questions) === 0) {
        enter(slot, "started");
      }
      slot.holder?.notify({ kind: "input", claim, answer: this.#answer });
    }
    tellFollowers(this.#core, queue, this.#position);
  }

  #problem(): ColloquyError | undefined {
    const { limits, questions } = this.#core;
    const { length } = this.#answer.data;
    if (length > limits.frameBytesMax) return tooLarge("answer", length, limits.frameBytesMax);
    if (questions.bytes + length <= limits.questionBytesMax) return undefined;
    return full("questionBytesMax", limits.questionBytesMax);
  }
}
