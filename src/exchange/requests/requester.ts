/** Whoever has asked, of another process: what its request comes to travels to it as frames. */
import type { ErrorInfo } from "../../errors.ts";
import { agentAddress } from "../../message/address.ts";
import type { Envelope, MessageKind, Sender } from "../../message/envelope.ts";
import { type Draft, protocolVersion } from "../envelopes.ts";
import { encodeBody, type Site } from "../site.ts";
import { type ControlName, sendControl } from "./control.ts";

/** Characters of the message of an error that is too long to travel whole. */
const messageCharactersMax = 8_192;

interface AnswerFields {
  readonly sequence?: number | undefined;
  readonly status?: "partial";
  readonly budget?: number | undefined;
}

export class Requester {
  readonly #site: Site;
  readonly #self: Sender;
  readonly #request: Envelope;
  readonly #topic: string;

  /** @param self - the agent that answers. */
  constructor(site: Site, self: Sender, request: Envelope) {
    this.#site = site;
    this.#self = self;
    this.#request = request;
    this.#topic = request.replyTo ?? site.space.inbox(request.from.instance);
  }

  /** Sends what `answer`, `chunk` or `failure` has made. */
  send(frame: Uint8Array): void {
    this.#site.broker.topics.publish([{ topic: this.#topic, frame }]);
  }

  tell(name: ControlName, data: unknown): void {
    sendControl(this.#site, {
      name,
      from: this.#self,
      to: this.#request.from.agent,
      topic: this.#topic,
      correlationId: this.#request.id,
      data,
    });
  }

  /** @throws SERIALIZATION_ERROR, MESSAGE_TOO_LARGE. */
  answer(result: unknown, sequence: number | undefined, budget: number | undefined): Uint8Array {
    return this.#frame("response", result, { sequence, budget });
  }

  /** @throws SERIALIZATION_ERROR, MESSAGE_TOO_LARGE. */
  chunk(sequence: number, chunk: unknown): Uint8Array {
    return this.#frame("response", chunk, { sequence, status: "partial" });
  }

  /** What cannot travel stays behind: details, and a message's tail. */
  failure(info: ErrorInfo, budget?: number): Uint8Array {
    try {
      return this.#frame("error", info, { budget });
    } catch {
      const { code, message, retryable } = info;
      const short = { code, message: message.slice(0, messageCharactersMax), retryable };
      return this.#frame("error", short, { budget });
    }
  }

  #frame(kind: MessageKind, value: unknown, fields: AnswerFields): Uint8Array {
    const { id, name, from, priority, conversationId } = this.#request;
    const { sequence, status, budget } = fields;
    const answer: Draft = {
      id,
      version: protocolVersion,
      kind,
      name,
      from: this.#self,
      to: [agentAddress(from.agent)],
      createdMs: this.#site.turn.nowMs(),
      priority,
      correlationId: id,
    };
    if (conversationId !== undefined) answer.conversationId = conversationId;
    if (sequence !== undefined && sequence !== 0) answer.sequence = sequence;
    if (status !== undefined) answer.status = status;
    if (budget !== undefined) answer.budget = budget;
    return encodeBody(this.#site, answer, value);
  }
}
