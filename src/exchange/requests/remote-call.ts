/** A request to an agent of another process, from sending it to its answer. */
import type { Publication } from "../../broker/broker.ts";
import { isColloquyError } from "../../errors.ts";
import { agentAddress } from "../../message/address.ts";
import type { Envelope } from "../../message/envelope.ts";
import type { Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import type { Candidate } from "../../routing/candidate.ts";
import type { Strategy } from "../../routing/strategies.ts";
import type { Mandate } from "../causality/mandate.ts";
import type { WorkReference } from "../causality/waits.ts";
import { envelopeOf } from "../envelopes.ts";
import { cut, thrownBy, tooSlow, unreachable } from "../failures.ts";
import { encodeBody } from "../site.ts";
import { beginCall, endCall, type Work } from "../work.ts";
import type { Operation } from "./operation.ts";
import { RemoteWait, type Settle, type WaitInput, type WaitTable } from "./remote-wait.ts";

export interface RemoteCallInput extends WaitInput {
  readonly kind: "request" | "stream";
  readonly input: unknown;
  readonly cause: Work | undefined;
  readonly mandate: Mandate | undefined;
  readonly target: Candidate;
}

/** Where a call may go when its target is gone. */
export interface Alternatives {
  /** The pool it was sent to; undefined for one agent in particular. */
  readonly pool: string | undefined;
  readonly strategy: Strategy;
  /** Those of the pool that it must not go to. */
  readonly passOver: ReadonlySet<Candidate> | undefined;
}

export interface CallTable extends WaitTable {
  /** Nobody listened at the target's inbox, or it had no room: sends the call elsewhere, again, or fails it. */
  unheard(call: RemoteCall, noRoom: boolean): void;
  /** The target did not take it: as above. */
  elsewhere(call: RemoteCall): void;
  /** Calls `resume` with whoever can go on with the stream, as soon as there is somebody. */
  resume(call: RemoteCall): void;
  giveUp(call: RemoteCall): void;
}

const resumeAgainMs = 50;

function isNoHandler({ envelope, payload }: Message): boolean {
  if (envelope.kind !== "error") return false;
  return isColloquyError(thrownBy(decodePayload(payload)), "NO_HANDLER");
}

export class RemoteCall extends RemoteWait {
  readonly id: string;
  target: Candidate;
  /** Made with the first. */
  #lost: Set<string> | undefined;
  readonly #call: RemoteCallInput;
  readonly #table: CallTable;
  #frame: Uint8Array;
  /** The last chunk that had come when it was sent again; undefined where it was not. */
  #resumedAfter: number | undefined;
  #isResuming = false;

  /** @throws SERIALIZATION_ERROR or MESSAGE_TOO_LARGE when the input cannot travel. */
  constructor(call: RemoteCallInput, table: CallTable, settle: Settle) {
    super(call, table, settle);
    this.#call = call;
    this.#table = table;
    this.target = call.target;
    const envelope = this.#envelope();
    this.id = envelope.id;
    try {
      this.#frame = this.#encode(envelope);
    } catch (error) {
      call.mandate?.budget?.end();
      throw error;
    }
  }

  override get operation(): Operation {
    const { instance, card } = this.target;
    return { instance, messageId: this.id, agent: card.id };
  }

  /** A reader that has had a chunk may have more to do. */
  get waitsFor(): WorkReference | undefined {
    if (this.reader !== undefined && this.reader.received > 0) return undefined;
    return { instance: this.target.instance, agent: this.target.card.id, id: this.id };
  }

  /** True of the lives of processes that ended while they handled it. */
  wasLostWith(instance: string): boolean {
    return this.#lost?.has(instance) === true;
  }

  override begin(): void {
    this.target.outstanding++;
    const { cause } = this.#call;
    if (cause !== undefined) beginCall(cause, this);
    super.begin();
  }

  override send(): void {
    const { broker, space } = this.#call.site;
    const topic = space.inbox(this.target.instance);
    broker.topics.publish([new Sent(topic, this.#frame, this)]);
  }

  /** Nobody listened where it was sent, or was too slow for it. */
  unheard(target: Candidate, noRoom: boolean): void {
    if (this.final || this.target !== target) return;
    if (this.#resumedAfter === undefined) {
      if (!this.heard) this.#table.unheard(this, noRoom);
    } else if (noRoom) this.#resumeSoon();
    else this.lose();
  }

  /** Sends it to another agent instead; the one before never got it, or refused it. */
  redirect(target: Candidate): void {
    this.target.outstanding--;
    this.target = target;
    target.outstanding++;
    this.#frame = this.#encode({ ...this.#envelope(), id: this.id });
    this.beginAnew();
    this.send();
  }

  override inquire(onUnheard: () => void): void {
    const data = { sentAgoMs: this.sentAgoMs };
    const { received = 0, granted } = this.reader ?? {};
    // What was granted while the link was down never came.
    const credit = granted === undefined ? {} : { credit: granted };
    this.tell("inquiry", { sequence: received, ...credit, data, onUnheard });
  }

  /** The process of its handler is gone. */
  override lose(): void {
    if (!this.resumable || this.final || this.asking) return super.lose();
    this.#lost ??= new Set();
    this.#lost.add(this.target.instance);
    if (!this.#isResuming) {
      this.dropQuestions();
      this.alive();
    }
    this.#resumeLater();
  }

  /** For `CallTable.resume`: `target` goes on. Whoever did before must not, should it still live. */
  resume(target: Candidate): void {
    const { from } = this.#call;
    const question = { ask: "cancel", from, operation: this.operation } as const;
    this.#table.verdicts.ask({ ...question, sentAtMs: undefined, waitMs: 0 }, () => {});
    this.#isResuming = false;
    this.#resumedAfter = this.reader?.received ?? 0;
    this.target.outstanding--;
    this.target = target;
    target.outstanding++;
    const sequence = this.#resumedAfter;
    this.#frame = this.#encode({ ...this.#envelope(), id: this.id, sequence });
    this.send();
  }

  override expire(): void {
    if (!this.#isResuming) return super.expire();
    this.#table.giveUp(this);
    this.resumable = false;
    this.lose();
  }

  /** It was not started, and there is nobody else. */
  refuse(noRoom: boolean): void {
    this.#call.mandate?.budget?.end();
    const { name } = this.#call;
    const { id } = this.target.card;
    this.fail(
      noRoom
        ? tooSlow(name, id, this.operationId)
        : unreachable(name, id, "not-started", this.operationId),
    );
  }

  override onAnswer(message: Message): void {
    const { status, budget = 0 } = message.envelope;
    // In its next life the agent is there before its handlers are.
    if (this.#isUntouched && isNoHandler(message)) return this.#resumeSoon();
    if (status === undefined) this.#call.mandate?.budget?.end(budget);
    super.onAnswer(message);
  }

  protected override get onTimeout(): "cancel" | "leave" {
    return this.#call.options.onTimeout ?? "cancel";
  }

  protected override get attached(): undefined {
    return undefined;
  }

  protected override missing(): void {
    if (this.asking) return;
    const received = this.reader?.received ?? 0;
    if (received === (this.#resumedAfter ?? 0)) this.send();
    else this.fail(cut(this.#call.name, received, "unknown", this.operationId));
  }

  protected override refused(): void {
    if (this.#isUntouched) this.#resumeSoon();
    else this.#table.elsewhere(this);
  }

  protected override ended(answerMs: number | undefined): void {
    this.target.outstanding--;
    if (answerMs !== undefined) this.target.learn(answerMs);
    const { cause } = this.#call;
    if (cause !== undefined) endCall(cause, this);
    if (this.#isResuming) this.#table.giveUp(this);
  }

  /** It was sent again, and no chunk has come since. */
  get #isUntouched(): boolean {
    return this.#resumedAfter !== undefined && this.reader?.received === this.#resumedAfter;
  }

  #resumeSoon(): void {
    const { target } = this;
    this.#call.site.clock.setTimer(resumeAgainMs, () => {
      if (!this.final && !this.asking && this.target === target) this.#resumeLater();
    });
  }

  #resumeLater(): void {
    this.#isResuming = true;
    this.#table.resume(this);
  }

  #envelope(): Envelope {
    const { site, kind, name, from, options, cause, mandate, deadlineAtMs } = this.#call;
    const envelope = envelopeOf(site, {
      kind: "request",
      name,
      from,
      to: [agentAddress(this.target.card.id)],
      options,
      cause,
      mandate,
      deadlineAtMs,
      replyTo: site.space.inbox(site.instance),
    });
    // A request without credit asks for one answer, one with credit for chunks.
    return kind === "stream" ? { ...envelope, credit: this.reader?.granted ?? 1 } : envelope;
  }

  #encode(envelope: Envelope): Uint8Array {
    return encodeBody(this.#call.site, envelope, this.#call.input);
  }
}

/** One sending of a call. */
class Sent implements Publication {
  readonly topic: string;
  readonly frame: Uint8Array;
  readonly #call: RemoteCall;
  readonly #target: Candidate;

  constructor(topic: string, frame: Uint8Array, call: RemoteCall) {
    this.topic = topic;
    this.frame = frame;
    this.#call = call;
    this.#target = call.target;
  }

  onUnheard(noRoom: boolean): void {
    this.#call.unheard(this.#target, noRoom);
  }
}
