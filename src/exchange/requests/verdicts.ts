/**
 * Questions to the process that handles a request, asked when a wait for it ends: what is known, and
 * let it stop or go on. A question whose answer is lost with the broker is asked again; the handler's
 * process answers the same question the same way each time.
 */
import type { TimeoutOutcome } from "../../errors.ts";
import type { Sender } from "../../message/envelope.ts";
import type { Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import { type Site, Timed } from "../site.ts";
import { sendControl } from "./control.ts";
import type { Operation } from "./operation.ts";
import type { Regrouping } from "./regrouping.ts";
import type { CancelOutcome } from "./stream.ts";

export interface Question {
  /** See control.ts. */
  readonly ask: "cancel" | "leave" | "look";
  readonly from: Sender;
  readonly operation: Operation;
  /** Of a leave: the reader that leaves, where it is not the requester. */
  readonly reader?: string | undefined;
  /** When the request was sent, on the monotonic clock; undefined where nobody knows. */
  readonly sentAtMs: number | undefined;
  /** How long whoever asks waits for the answer. */
  readonly waitMs: number;
}

/** @param outcome - undefined when no answer came, or nobody is there. */
export type TellVerdict = (outcome: TimeoutOutcome | undefined) => void;

/** What must reach the handler's process is sent again for as long as that after nobody waits any more. */
const insistMs = 30_000;

const outcomes: ReadonlySet<unknown> = new Set<TimeoutOutcome>([
  "not-started",
  "in-progress",
  "done",
  "unknown",
]);

/** What a cancel came to. */
export function cancelOutcome(outcome: TimeoutOutcome | undefined): CancelOutcome {
  if (outcome === undefined) return "unreachable";
  return outcome === "not-started" || outcome === "in-progress" ? "accepted" : "too-late";
}

export class Verdicts {
  readonly #site: Site;
  readonly #regrouping: Regrouping;
  readonly #open = new Set<Asked>();

  constructor(site: Site, regrouping: Regrouping) {
    this.#site = site;
    this.#regrouping = regrouping;
  }

  /** Calls `tell` once. */
  ask(question: Question, tell: TellVerdict): void {
    const asked: Asked = new Asked(this.#site, question, tell, {
      unheard: () => this.#unheard(asked),
      over: () => this.#open.delete(asked),
    });
    this.#open.add(asked);
    asked.begin();
  }

  onVerdict({ envelope, payload }: Message): void {
    const { ask, outcome } = (decodePayload(payload) ?? {}) as Readonly<Record<string, unknown>>;
    if (!outcomes.has(outcome)) return;
    for (const asked of this.#open) {
      const { operation } = asked.question;
      if (asked.question.ask !== ask || operation.messageId !== envelope.correlationId) continue;
      if (operation.instance === envelope.from.instance) asked.answer(outcome as TimeoutOutcome);
    }
  }

  /** The broker can be reached again: what was on its way may be lost. */
  reattach(): void {
    for (const asked of this.#open) asked.send();
  }

  close(): void {
    for (const asked of this.#open) asked.answer(undefined);
  }

  #unheard(asked: Asked): void {
    if (!this.#open.has(asked)) return;
    this.#regrouping.unheard(
      () => {
        if (this.#open.has(asked)) asked.send();
      },
      () => asked.answer(undefined),
    );
  }
}

/** What a question needs of the table it is in. */
interface AskedTable {
  /** Nobody listened where it was sent. */
  readonly unheard: () => void;
  readonly over: () => void;
}

class Asked extends Timed {
  readonly question: Question;
  readonly #site: Site;
  readonly #table: AskedTable;
  #tell: TellVerdict | undefined;

  constructor(site: Site, question: Question, tell: TellVerdict, table: AskedTable) {
    super();
    this.#site = site;
    this.question = question;
    this.#tell = tell;
    this.#table = table;
  }

  begin(): void {
    this.#site.timeouts.add(this, this.question.waitMs);
    this.send();
  }

  send(): void {
    const { ask, from, operation, sentAtMs, reader } = this.question;
    const { space, clock, instance } = this.#site;
    sendControl(this.#site, {
      name: ask,
      from,
      to: operation.agent,
      topic: space.inbox(operation.instance),
      correlationId: operation.messageId,
      replyTo: space.inbox(instance),
      data: {
        ...(sentAtMs === undefined ? {} : { sentAgoMs: clock.monotonicMs() - sentAtMs }),
        ...(reader === undefined ? {} : { reader }),
      },
      onUnheard: () => this.#table.unheard(),
    });
  }

  answer(outcome: TimeoutOutcome | undefined): void {
    this.#site.timeouts.remove(this);
    this.#table.over();
    this.#conclude(outcome);
  }

  override expire(): void {
    if (this.#tell === undefined || this.question.ask === "look") return this.answer(undefined);
    this.#conclude(undefined);
    this.#site.timeouts.add(this, insistMs);
  }

  #conclude(outcome: TimeoutOutcome | undefined): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.(outcome);
  }
}
