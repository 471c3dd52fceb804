/** A request that came from another process, from its arrival to the reply. */
import type { Lane } from "../broker/broker.ts";
import { ColloquyError, errorInfo } from "../errors.ts";
import { agentAddress } from "../message/address.ts";
import type { Envelope, MessageKind, Sender } from "../message/envelope.ts";
import { encodeMessage } from "../message/envelope-codec.ts";
import type { EncodedPayload, Message } from "../message/message.ts";
import { decodePayload, encodePayload } from "../message/payload.ts";
import { type ControlName, sendControl } from "./control.ts";
import { type StagedEffect, writeEffects } from "./effects.ts";
import { protocolVersion } from "./envelopes.ts";
import { unreachable } from "./failures.ts";
import { notAskedInChunks } from "./local-call.ts";
import type { SentReply } from "./reply-ring.ts";
import { encodeBody, type Site } from "./site.ts";
import { CreditGate, pump } from "./stream.ts";
import { laneOf, type Work } from "./work.ts";

interface SentChunk {
  readonly sequence: number;
  readonly frame: Uint8Array;
}

export class RemoteWork implements Work {
  readonly kind: "request" | "stream";
  readonly message: Envelope;
  readonly attempt = 1;
  readonly claim = undefined;
  cancelled: ColloquyError | undefined;
  onCancelled: ((reason: ColloquyError) => void) | undefined;
  readonly #site: Site;
  readonly #self: Sender;
  readonly #payload: EncodedPayload;
  readonly #ended: (reply: SentReply | undefined) => void;
  readonly #topic: string;
  readonly #gate: CreditGate;
  /** Chunks the requester may not have read yet. */
  #unread: SentChunk[] = [];
  #state: "waiting" | "started" | "final" = "waiting";
  #acknowledged: "waiting" | "started" | undefined;
  #input: { readonly value: unknown } | undefined;

  /** @param ended - called once, with the reply when one was sent. */
  constructor(
    site: Site,
    self: Sender,
    { envelope, payload }: Message,
    ended: (reply: SentReply | undefined) => void,
  ) {
    this.#site = site;
    this.#self = self;
    this.#payload = payload;
    this.#ended = ended;
    this.message = envelope;
    this.kind = envelope.credit === undefined ? "request" : "stream";
    this.#gate = new CreditGate(envelope.credit ?? 0);
    this.#topic = envelope.replyTo ?? site.space.inbox(envelope.from.instance);
  }

  get name(): string {
    return this.message.name;
  }

  get lane(): Lane {
    return laneOf[this.message.priority];
  }

  get deadlineAtMs(): number {
    return this.message.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  get input(): unknown {
    this.#input ??= { value: decodePayload(this.#payload) };
    return this.#input.value;
  }

  started(): void {
    if (this.#state === "waiting") this.#state = "started";
  }

  progress(data: unknown): void {
    if (this.#state !== "final") this.#tell("progress", data);
  }

  async answerWith(
    chunks: AsyncIterable<unknown>,
    effects: () => readonly StagedEffect[],
  ): Promise<void> {
    if (this.kind === "request") return this.fail(notAskedInChunks(this.name));
    await pump(chunks, this.#gate, {
      chunk: (sequence, chunk) => this.#sendChunk(sequence, chunk),
      end: (result, sequence) => this.succeed(result, effects(), sequence),
      fail: (error) => this.fail(error),
    });
  }

  succeed(
    result: unknown,
    effects: readonly StagedEffect[],
    sequence?: number,
  ): Promise<void> | undefined {
    if (this.#state === "final") return undefined;
    if (effects.length > 0) return this.#succeedWith(result, effects, sequence);
    let payload: EncodedPayload;
    try {
      payload = this.#encode(result);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
    this.#reply("response", payload, sequence);
    return undefined;
  }

  fail(error: unknown): void {
    if (this.#state !== "final") this.#reply("error", failurePayload(error));
  }

  /** The agent is not here any more. */
  refuse(agent: string): void {
    this.fail(unreachable(this.name, agent, "not-started"));
  }

  cancel(by: string): void {
    if (this.#state === "final") return;
    this.#state = "final";
    this.cancelled = new ColloquyError("CANCELLED", `${this.name} was cancelled by ${by}`);
    this.#gate.shut();
    this.#ended(undefined);
    this.onCancelled?.(this.cancelled);
  }

  grant(credit: number): void {
    this.#gate.grant(credit);
  }

  /** Tells the requester that the work is here, once for each state. */
  acknowledge(): void {
    if (this.#state === "final" || this.#acknowledged === this.#state) return;
    this.#acknowledged = this.#state;
    this.#tell("accepted", this.#state === "started" ? "started" : "queued");
  }

  /** After a reconnect: the requester has chunks up to `received`, and asks. */
  resume(received: number): void {
    this.#acknowledged = undefined;
    this.acknowledge();
    this.#unread = this.#unread.filter(({ sequence }) => sequence > received);
    for (const { frame } of this.#unread) this.#publish(frame);
  }

  async #succeedWith(
    result: unknown,
    effects: readonly StagedEffect[],
    sequence: number | undefined,
  ): Promise<void> {
    try {
      await writeEffects(this.#site.broker, effects);
    } catch (error) {
      return this.fail(error);
    }
    await this.succeed(result, [], sequence);
  }

  #sendChunk(sequence: number, chunk: unknown): void {
    const frame = this.#frame("response", this.#encode(chunk), sequence, "partial");
    this.#unread.push({ sequence, frame });
    // Credit is what was read plus the window, so what lies a whole window back has been read.
    const window = this.message.credit ?? 0;
    if (this.#unread.length > 2 * window) this.#unread = this.#unread.slice(window);
    this.#publish(frame);
  }

  #reply(kind: "response" | "error", payload: EncodedPayload, sequence?: number): void {
    const frame = this.#frame(kind, payload, sequence);
    this.#state = "final";
    this.#gate.shut();
    this.#ended({ id: this.message.id, topic: this.#topic, frame });
    this.#publish(frame);
  }

  #publish(frame: Uint8Array): void {
    this.#site.broker.topics.publish([{ topic: this.#topic, frame }]);
  }

  #encode(value: unknown): EncodedPayload {
    return encodeBody(this.#site, value);
  }

  #tell(name: ControlName, data: unknown): void {
    sendControl(this.#site, {
      name,
      from: this.#self,
      to: this.message.from.agent,
      topic: this.#topic,
      correlationId: this.message.id,
      data,
    });
  }

  #frame(
    kind: MessageKind,
    payload: EncodedPayload,
    sequence?: number,
    status?: "partial",
  ): Uint8Array {
    const request = this.message;
    return encodeMessage(
      {
        id: this.#site.newId(),
        version: protocolVersion,
        kind,
        name: request.name,
        from: this.#self,
        to: [agentAddress(request.from.agent)],
        createdMs: this.#site.clock.nowMs(),
        priority: request.priority,
        correlationId: request.id,
        ...(request.conversationId === undefined ? {} : { conversationId: request.conversationId }),
        ...(sequence === undefined || sequence === 0 ? {} : { sequence }),
        ...(status === undefined ? {} : { status }),
      },
      payload,
    );
  }
}

/** Characters of the message of an error that is too long to travel whole. */
const messageCharactersMax = 8_192;

/** What the requester learns of a failure. What cannot travel stays behind: details, and a message's tail. */
function failurePayload(error: unknown): EncodedPayload {
  const info = errorInfo(error);
  try {
    return encodePayload(info);
  } catch {
    const { code, message, retryable } = info;
    return encodePayload({ code, message: message.slice(0, messageCharactersMax), retryable });
  }
}
