/** A request to an agent of another process, from sending it to its answer. */
import { agentAddress } from "../message/address.ts";
import type { Envelope } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import type { Candidate } from "../routing/candidate.ts";
import type { Mandate } from "./causality/mandate.ts";
import { envelopeOf } from "./envelopes.ts";
import { cut, unreachable } from "./failures.ts";
import type { Operation } from "./operation.ts";
import { RemoteWait, type Settle, type WaitInput, type WaitTable } from "./remote-wait.ts";
import { encodeBody } from "./site.ts";
import type { Work } from "./work.ts";

export interface RemoteCallInput extends WaitInput {
  readonly kind: "request" | "stream";
  readonly input: unknown;
  readonly cause: Work | undefined;
  readonly mandate: Mandate | undefined;
  readonly target: Candidate;
}

export interface CallTable extends WaitTable {
  /** Nobody listened at the target's inbox: sends the call elsewhere, again, or fails it. */
  unheard(call: RemoteCall): void;
  /** The target did not take it: as above. */
  elsewhere(call: RemoteCall): void;
}

export class RemoteCall extends RemoteWait {
  readonly id: string;
  target: Candidate;
  readonly #call: RemoteCallInput;
  readonly #table: CallTable;
  #frame: Uint8Array;

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

  override begin(): void {
    this.target.outstanding++;
    const { cause } = this.#call;
    if (cause !== undefined) {
      cause.calls ??= new Set();
      cause.calls.add(this);
    }
    super.begin();
  }

  override send(): void {
    const { broker, space } = this.#call.site;
    const topic = space.inbox(this.target.instance);
    broker.topics.publish([{ topic, frame: this.#frame, onUnheard: () => this.#onUnheard() }]);
  }

  /** Sends it to another agent instead; the one before never got it, or refused it. */
  redirect(target: Candidate): void {
    this.target.outstanding--;
    this.target = target;
    target.outstanding++;
    this.#frame = this.#encode({ ...this.#envelope(), id: this.id });
    this.send();
  }

  override inquire(onUnheard: () => void): void {
    const data = { sentAgoMs: this.sentAgoMs };
    this.tell("inquiry", { sequence: this.reader?.received ?? 0, data, onUnheard });
  }

  /** It was not started, and there is nobody else. */
  refuse(): void {
    this.#call.mandate?.budget?.end();
    this.fail(unreachable(this.#call.name, this.target.card.id, "not-started", this.operationId));
  }

  override onAnswer(message: Message): void {
    const { status, budget = 0 } = message.envelope;
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
    const received = this.reader?.received ?? 0;
    if (received === 0) this.send();
    else this.fail(cut(this.#call.name, received, "unknown", this.operationId));
  }

  protected override refused(): void {
    this.#table.elsewhere(this);
  }

  protected override ended(answerMs: number | undefined): void {
    this.target.outstanding--;
    if (answerMs !== undefined) this.target.learn(answerMs);
    this.#call.cause?.calls?.delete(this);
  }

  #onUnheard(): void {
    if (!this.final && !this.heard) this.#table.unheard(this);
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
