/** What the holders of messages tell about them before they settle them. */
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { Claim, Report, ReportOutcome } from "../broker.ts";
import type { Core } from "./core.ts";
import { claimOf, tellFollowers } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import { tooLarge } from "./intake.ts";
import { endWithdrawals, enter, storyOf } from "./life.ts";
import { full } from "./limits.ts";
import type { Queue } from "./queue.ts";
import type { Slot } from "./slot.ts";

const taken: ReportOutcome = Object.freeze({ kind: "taken" });
const stale: ReportOutcome = Object.freeze({ kind: "stale" });

/** Questions of one message. */
const questionsMax = 1_000;

type Volatile = Exclude<Report, { readonly kind: "waiting-input" }>;
export type Asked = Extract<Report, { readonly kind: "waiting-input" }>;

export function note(core: Core, report: Volatile): ReportOutcome {
  const held = heldBy(core, report);
  if (held === undefined) return stale;
  const { queue, slot } = held;
  if (report.kind === "progress") storyOf(slot).progress = report.data;
  if (report.kind !== "unstarted") {
    enter(slot, "started");
    endWithdrawals(slot, "too-late");
  }
  tellFollowers(core, queue, slot.position);
  return taken;
}

function heldBy(
  core: Core,
  { queue: name, position, fence }: Claim,
): { readonly queue: Queue; readonly slot: Slot } | undefined {
  const queue = core.directory.declared(name);
  const slot = queue?.active?.held.get(position);
  if (queue === undefined || slot?.state !== "held" || slot.fence !== fence) return undefined;
  return { queue, slot };
}

/** A handler waits for the answer to a question. */
export class Ask implements Operation {
  readonly messages = 1;
  readonly bytes: number;
  readonly #core: Core;
  readonly #report: Asked;
  readonly #tell: (outcome: ReportOutcome) => void;
  #outcome: ReportOutcome = stale;

  constructor(core: Core, report: Asked, tell: (outcome: ReportOutcome) => void) {
    this.#core = core;
    this.#report = report;
    this.#tell = tell;
    this.bytes = report.question.length;
  }

  decide(group: Group): void {
    const held = heldBy(this.#core, this.#report);
    this.#outcome = held === undefined ? stale : this.#ask(group, held.queue, held.slot);
  }

  committed(): void {
    this.#tell(this.#outcome);
  }

  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "refused";
    this.#tell({ kind, error: errorInfo(error) });
  }

  #ask(group: Group, queue: Queue, slot: Slot): ReportOutcome {
    const core = this.#core;
    const { number, question: data } = this.#report;
    const { position } = slot;
    const questions = core.questions.of(queue.number, position) ?? [];
    const answer = questions[number - 1]?.answer;
    if (answer !== undefined) {
      const claim = claimOf(queue, slot);
      const notice = { kind: "input", claim, answer: { number, data: answer } } as const;
      group.afterwards(() => slot.holder?.notify(notice));
      return taken;
    }
    if (number > questions.length) {
      const problem = this.#problem(questions.length);
      if (problem !== undefined) return { kind: "refused", error: errorInfo(problem) };
      const asked = [...questions, { data, answer: undefined }];
      core.questions.put(group, queue.number, position, asked);
    }
    group.afterwards(() => {
      if (slot.state !== "held") return;
      endWithdrawals(slot, "too-late");
      enter(slot, "waiting-input");
      tellFollowers(core, queue, position);
      core.wake(queue);
    });
    return taken;
  }

  #problem(asked: number): ColloquyError | undefined {
    const { limits, questions } = this.#core;
    const { number, question } = this.#report;
    if (number !== asked + 1 || number > questionsMax) {
      const limit = `${asked + 1}, at most ${questionsMax}`;
      const details = { field: "number", value: number, limit };
      return new ColloquyError("INVALID_OPTION", `number: ${number} is not ${limit}`, { details });
    }
    if (question.length > limits.frameBytesMax) {
      return tooLarge("question", question.length, limits.frameBytesMax);
    }
    if (questions.bytes + question.length <= limits.questionBytesMax) return undefined;
    return full("questionBytesMax", limits.questionBytesMax);
  }
}
