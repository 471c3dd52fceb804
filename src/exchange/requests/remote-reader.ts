/** Somebody of another process, or of this one, who has attached: what it is told travels as frames. */
import { errorInfo } from "../../errors.ts";
import { agentAddress } from "../../message/address.ts";
import type { Envelope, MessageKind, Sender } from "../../message/envelope.ts";
import { type Draft, protocolVersion } from "../envelopes.ts";
import { encodeBody, post, type Site } from "../site.ts";
import { type ControlInput, type ControlName, sendControl } from "./control.ts";
import type { Reader, WorkState } from "./handled.ts";

export class RemoteReader implements Reader {
  readonly id: string;
  readonly instance: string;
  readonly #site: Site;
  readonly #self: Sender;
  readonly #agent: string;
  readonly #topic: string;

  /** @param attach - the control message it attached with; its id is what the answer is known by. */
  constructor(site: Site, self: Sender, attach: Envelope) {
    this.#site = site;
    this.#self = self;
    this.id = attach.id;
    this.instance = attach.from.instance;
    this.#agent = attach.from.agent;
    this.#topic = attach.replyTo ?? site.space.inbox(attach.from.instance);
  }

  accepted(state: WorkState, after: number): void {
    this.#tell("accepted", state, { sequence: after });
  }

  probe(onUnheard: () => void): void {
    this.#tell("present", undefined, { onUnheard });
  }

  ask(number: number, question: unknown): void {
    this.#tell("question", { number, question });
  }

  progress(data: unknown): void {
    this.#tell("progress", data);
  }

  chunk(sequence: number, chunk: unknown): void {
    this.#send("response", chunk, sequence, "partial");
  }

  end(result: unknown, sequence: number): void {
    this.#send("response", result, sequence);
  }

  fail(error: unknown): void {
    const info = errorInfo(error);
    try {
      this.#send("error", info, 0);
    } catch {
      const { code, message, retryable } = info;
      this.#send("error", { code, message: message.slice(0, 8_192), retryable }, 0);
    }
  }

  #tell(
    name: ControlName,
    data: unknown,
    more: Pick<ControlInput, "sequence" | "onUnheard"> = {},
  ): void {
    sendControl(this.#site, {
      name,
      from: this.#self,
      to: this.#agent,
      topic: this.#topic,
      correlationId: this.id,
      data,
      ...more,
    });
  }

  #send(kind: MessageKind, value: unknown, sequence: number, status?: "partial"): void {
    const answer: Draft = {
      id: this.id,
      version: protocolVersion,
      kind,
      name: "attach",
      from: this.#self,
      to: [agentAddress(this.#agent)],
      createdMs: this.#site.clock.nowMs(),
      priority: "normal",
      correlationId: this.id,
    };
    if (sequence !== 0) answer.sequence = sequence;
    if (status !== undefined) answer.status = status;
    post(this.#site, { topic: this.#topic, frame: encodeBody(this.#site, answer, value) });
  }
}
