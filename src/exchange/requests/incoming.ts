/** Requests of other processes to agents of this one. */
import { ColloquyError, type TimeoutOutcome } from "../../errors.ts";
import type { Address } from "../../message/address.ts";
import type { Envelope, Sender } from "../../message/envelope.ts";
import { decodeMessage } from "../../message/envelope-codec.ts";
import type { Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import type { InstanceListener } from "../../routing/registry.ts";
import type { Timer } from "../../runtime/clock.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import { nothingKnown, thrownBy, unreachable } from "../failures.ts";
import type { Site } from "../site.ts";
import type { LocalAgent } from "../work.ts";
import { type ControlName, sendControl } from "./control.ts";
import { Foretold } from "./foretold.ts";
import type { Handled } from "./handled.ts";
import { formatOperationId } from "./operation.ts";
import type { Given } from "./questions.ts";
import { RemoteReader } from "./remote-reader.ts";
import { RemoteWork, type SentChunk, type WorkTable } from "./remote-work.ts";
import { ReplyRing } from "./reply-ring.ts";

/** A request that is not answered by then is acknowledged. */
const acknowledgeMs = 1_000;

/** The type of an agent that is not here (any more). */
const unknownType = "unknown";

export class Incoming implements InstanceListener, WorkTable {
  readonly #site: Site;
  readonly #agentAt: (address: Address) => LocalAgent | undefined;
  readonly #active = new HashTable<string, RemoteWork>();
  readonly #replies: ReplyRing;
  readonly #foretold: Foretold;
  #sweep: Timer | undefined;

  constructor(site: Site, agentAt: (address: Address) => LocalAgent | undefined) {
    this.#site = site;
    this.#agentAt = agentAt;
    this.#replies = new ReplyRing(site.clock);
    this.#foretold = new Foretold(site.clock);
  }

  get size(): number {
    return this.#active.size;
  }

  /** Work that came as the request of that id, and has not ended. */
  find(id: string): RemoteWork | undefined {
    return this.#active.get(id);
  }

  onRequest(message: Message): void {
    const { envelope } = message;
    if (this.#active.has(envelope.id)) return;
    if (this.#foretold.size > 0 && !this.#mayStart(envelope.id)) return;
    const [to] = envelope.to;
    const agent = to === undefined ? undefined : this.#agentAt(to);
    const id = agent?.id ?? agentIdOf(envelope);
    const self = { agent: id, type: agent?.type ?? unknownType, instance: this.#site.instance };
    const work = new RemoteWork(this.#site, self, message, this);
    this.#active.set(envelope.id, work);
    this.#sweep ??= this.#site.clock.setTimer(acknowledgeMs, () => this.#acknowledge());
    if (agent === undefined) work.refuse();
    else agent.accept(work);
  }

  ended(id: string, reply: Uint8Array | undefined, unread: readonly SentChunk[]): void {
    this.#active.delete(id);
    if (reply === undefined) return;
    for (const { sequence, frame } of unread) this.#replies.add(chunkId(id, sequence), frame);
    this.#replies.add(id, reply);
  }

  onControl({ envelope, payload }: Message): void {
    const id = envelope.correlationId ?? "";
    const work = this.#active.get(id);
    const handled = work ?? this.#site.operations.running(id);
    switch (envelope.name) {
      case "credit":
        return handled?.grant(envelope.credit ?? 0);
      case "inquiry":
        if (work !== undefined) return work.resume(envelope.sequence ?? 0, envelope.credit ?? 0);
        return this.#report(envelope, decodePayload(payload));
      case "attach":
        return this.#attach(envelope, handled);
      case "answer":
        return answer(handled, decodePayload(payload));
      case "cancel":
      case "leave":
      case "look":
        return this.#judge(envelope, decodePayload(payload), handled);
      default:
        return;
    }
  }

  /** Where an asker's process is gone nobody waits for its answers: unless they were left, they are given up. */
  lost(instance: string): void {
    this.#lostReaders(instance);
    const active = this.#active.values();
    const asked = active.filter((it) => !it.left && it.message.from.instance === instance);
    const [first] = asked;
    if (first === undefined) return;
    this.#tell("present", first.message, undefined, () => {
      const reason = new ColloquyError("CANCELLED", "the asker's process is gone");
      for (const work of asked) if (!work.left) this.#cancel(work.message.id, work, reason);
    });
  }

  /** Who has attached, and is gone with its process, has left. */
  #lostReaders(instance: string): void {
    for (const handled of [...this.#active.values(), ...this.#site.operations.all()]) {
      for (const reader of handled.readers) {
        if (reader.instance === instance) reader.probe(() => handled.leave(reader.id));
      }
    }
  }

  returned(): void {}

  /** The process leaves: whoever waits learns that nobody is at work any more. */
  close(reason: ColloquyError): void {
    this.#sweep?.cancel();
    const { instance } = this.#site;
    for (const work of this.#active.values()) {
      const { id, name } = work.message;
      const agent = agentIdOf(work.message);
      const locator = formatOperationId({ instance, messageId: id, agent });
      if (work.outcome === "not-started") work.refuse();
      else work.abandon(unreachable(name, agent, "unknown", locator), reason);
    }
  }

  /** What was said about a request before it came decides whether it is taken. */
  #mayStart(id: string): boolean {
    const saying = this.#foretold.get(id);
    if (saying === "missing") this.#foretold.say(id, "taken");
    return saying === undefined || saying === "missing";
  }

  /** An asker wants to know what is known, and that it stops or goes on. */
  #judge(envelope: Envelope, data: unknown, handled: Handled | undefined): void {
    const id = envelope.correlationId ?? "";
    const outcome = handled?.outcome ?? this.#outcomeOf(id, data);
    if (envelope.name === "cancel") {
      const reason = new ColloquyError("CANCELLED", `cancelled by ${envelope.from.agent}`);
      // Only who sent the request knows when, and its wait has ended already.
      if (handled !== undefined) this.#cancel(id, handled, reason, !saysWhenSent(data));
      else if (outcome === "not-started") this.#foretold.say(id, "cancelled");
    } else if (envelope.name === "leave") handled?.leave(readerIn(data));
    this.#tell("verdict", envelope, { ask: envelope.name, outcome });
  }

  #cancel(id: string, handled: Handled, reason: ColloquyError, isTold = false): void {
    const { outcome } = handled;
    if (outcome === "not-started") this.#foretold.say(id, "cancelled");
    if (outcome === "in-progress") this.#foretold.say(id, "cancelled-at-work");
    handled.cancel(reason, isTold);
  }

  /** Somebody wants to be told what becomes of work, whoever asked for it. */
  #attach(envelope: Envelope, handled: Handled | undefined): void {
    const id = envelope.correlationId ?? "";
    const after = envelope.sequence ?? 0;
    const reader = new RemoteReader(this.#site, this.#selfOf(envelope), envelope);
    if (handled !== undefined) return handled.attach(reader, after, envelope.credit ?? 0);
    const reply = this.#replies.find(id);
    if (reply !== undefined) return this.#readBack(reader, id, after, decodeMessage(reply));
    const ended = this.#site.operations.ended(id);
    if (ended !== undefined) return ended.tell(reader);
    const { instance } = this.#site;
    const locator = formatOperationId({ instance, messageId: id, agent: agentIdOf(envelope) });
    const outcome = this.#outcomeOf(id, undefined);
    if (outcome === "unknown") reader.fail(nothingKnown(outcome, locator));
    else reader.fail(new ColloquyError("CANCELLED", "it was cancelled", { details: { outcome } }));
  }

  /** What was sent before, to somebody else: as much of it as is kept. */
  #readBack(reader: RemoteReader, id: string, after: number, { envelope, payload }: Message): void {
    if (envelope.kind === "error") return reader.fail(thrownBy(decodePayload(payload)));
    const last = envelope.sequence ?? 0;
    let first = Math.min(after, last) + 1;
    while (first <= last && this.#replies.find(chunkId(id, first)) === undefined) first++;
    reader.accepted("started", first - 1);
    for (const frame of this.#unread(id, first - 1)) {
      const chunk = decodeMessage(frame);
      reader.chunk(chunk.envelope.sequence ?? 0, decodePayload(chunk.payload));
    }
    reader.end(decodePayload(payload), last);
  }

  /** Of work that is not here now. */
  #outcomeOf(id: string, data: unknown): TimeoutOutcome {
    const saying = this.#foretold.get(id);
    if (saying === "cancelled") return "not-started";
    if (saying === "cancelled-at-work") return "in-progress";
    if (this.#replies.find(id) !== undefined) return "done";
    const ended = this.#site.operations.ended(id);
    if (ended !== undefined) return ended.outcome;
    return this.#isComplete(data) ? "not-started" : "unknown";
  }

  /** The work is not here: it was answered, given up, never came, or nobody knows. */
  #report(envelope: Envelope, data: unknown): void {
    const id = envelope.correlationId ?? "";
    const reply = this.#replies.find(id);
    if (reply !== undefined) {
      const topic = envelope.replyTo ?? this.#site.space.inbox(envelope.from.instance);
      const frames = [...this.#unread(id, envelope.sequence ?? 0), reply];
      return this.#site.broker.topics.publish(frames.map((frame) => ({ topic, frame })));
    }
    const saying = this.#foretold.get(id);
    if (saying === "cancelled") return this.#tell("refused", envelope, undefined);
    const missing = this.#isComplete(data) && (saying === undefined || saying === "missing");
    if (missing) this.#foretold.say(id, "missing");
    this.#tell(missing ? "missing" : "forgotten", envelope, undefined);
  }

  /** The chunks of a stream that has ended, behind number `received`. */
  #unread(id: string, received: number): readonly Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (;;) {
      const frame = this.#replies.find(chunkId(id, received + frames.length + 1));
      if (frame === undefined) return frames;
      frames.push(frame);
    }
  }

  /** True when a request of that age would be known here if it had come. */
  #isComplete(data: unknown): boolean {
    if (!saysWhenSent(data)) return false;
    return data.sentAgoMs < Math.min(this.#replies.completeForMs(), this.#foretold.completeForMs());
  }

  #tell(name: ControlName, about: Envelope, data: unknown, onUnheard?: () => void): void {
    const { from } = about;
    sendControl(this.#site, {
      name,
      from: this.#selfOf(about),
      to: from.agent,
      topic: about.replyTo ?? this.#site.space.inbox(from.instance),
      correlationId: about.kind === "control" ? (about.correlationId ?? "") : about.id,
      data,
      ...(onUnheard === undefined ? {} : { onUnheard }),
    });
  }

  #selfOf(envelope: Envelope): Sender {
    return { agent: agentIdOf(envelope), type: unknownType, instance: this.#site.instance };
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

/** An answer that nobody waits for any more, or that is none, is dropped. */
function answer(handled: Handled | undefined, data: unknown): void {
  const { number, ...given } = (data ?? {}) as { readonly number?: unknown } & Partial<Given>;
  if (typeof number === "number" && given.kind !== undefined) {
    handled?.answer(number, given as Given);
  }
}

function saysWhenSent(data: unknown): data is { readonly sentAgoMs: number } {
  const { sentAgoMs } = (data ?? {}) as { readonly sentAgoMs?: unknown };
  return typeof sentAgoMs === "number";
}

function readerIn(data: unknown): string | undefined {
  const { reader } = (data ?? {}) as { readonly reader?: unknown };
  return typeof reader === "string" ? reader : undefined;
}

/** No id has a "#". */
function chunkId(id: string, sequence: number): string {
  return `${id}#${sequence}`;
}
