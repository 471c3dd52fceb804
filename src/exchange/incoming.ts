/** Requests of other processes to agents of this one. */
import type { Address } from "../message/address.ts";
import type { Envelope } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import { decodePayload } from "../message/payload.ts";
import type { Timer } from "../runtime/clock.ts";
import { HashTable } from "../runtime/hash-table.ts";
import { sendControl } from "./control.ts";
import { RemoteWork, type WorkTable } from "./remote-work.ts";
import { ReplyRing } from "./reply-ring.ts";
import type { Site } from "./site.ts";
import type { LocalAgent } from "./work.ts";

/** A request that is not answered by then is acknowledged. */
const acknowledgeMs = 1_000;

/** The type of an agent that is not here (any more). */
const unknownType = "unknown";

export class Incoming implements WorkTable {
  readonly #site: Site;
  readonly #agentAt: (address: Address) => LocalAgent | undefined;
  readonly #active = new HashTable<string, RemoteWork>();
  readonly #replies: ReplyRing;
  #sweep: Timer | undefined;

  constructor(site: Site, agentAt: (address: Address) => LocalAgent | undefined) {
    this.#site = site;
    this.#agentAt = agentAt;
    this.#replies = new ReplyRing(site.clock);
  }

  get size(): number {
    return this.#active.size;
  }

  onRequest(message: Message): void {
    const { envelope } = message;
    if (this.#active.has(envelope.id)) return;
    const [to] = envelope.to;
    const agent = to === undefined ? undefined : this.#agentAt(to);
    const id = agent?.id ?? agentIdOf(envelope);
    const self = { agent: id, type: agent?.type ?? unknownType, instance: this.#site.instance };
    const work = new RemoteWork(this.#site, self, message, this);
    this.#active.set(envelope.id, work);
    this.#sweep ??= this.#site.clock.setTimer(acknowledgeMs, () => this.#acknowledge());
    if (agent === undefined) work.refuse(id);
    else agent.accept(work);
  }

  ended(id: string, reply: Uint8Array | undefined): void {
    this.#active.delete(id);
    if (reply !== undefined) this.#replies.add(id, reply);
  }

  onControl({ envelope, payload }: Message): void {
    const id = envelope.correlationId ?? "";
    const work = this.#active.get(id);
    if (envelope.name === "cancel") work?.cancel(envelope.from.agent);
    else if (envelope.name === "credit") work?.grant(envelope.credit ?? 0);
    else if (envelope.name === "inquiry") {
      if (work === undefined) this.#report(envelope, decodePayload(payload));
      else work.resume(envelope.sequence ?? 0);
    }
  }

  /** The work is not here: it was answered, never came, or nobody knows. */
  #report(envelope: Envelope, data: unknown): void {
    const id = envelope.correlationId ?? "";
    const topic = envelope.replyTo ?? this.#site.space.inbox(envelope.from.instance);
    const frame = this.#replies.find(id);
    if (frame !== undefined) return this.#site.broker.topics.publish([{ topic, frame }]);
    const { sentAgoMs } = (data ?? {}) as { readonly sentAgoMs?: unknown };
    const complete = typeof sentAgoMs === "number" && sentAgoMs < this.#replies.completeForMs();
    sendControl(this.#site, {
      name: complete ? "missing" : "forgotten",
      from: { agent: agentIdOf(envelope), type: unknownType, instance: this.#site.instance },
      to: envelope.from.agent,
      topic,
      correlationId: id,
    });
  }

  #acknowledge(): void {
    this.#sweep = undefined;
    for (const work of this.#active.values()) work.acknowledge();
    if (this.#active.size === 0) return;
    this.#sweep = this.#site.clock.setTimer(acknowledgeMs, () => this.#acknowledge());
  }
}

function agentIdOf(envelope: Envelope): string {
  return envelope.to[0]?.slice("agent:".length) ?? "";
}
