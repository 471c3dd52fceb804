/**
 * One process's place where messages are exchanged: it knows the agents of this process, finds those
 * of others, and follows each exchange to its end.
 *
 *   to an agent of this process     the short way: no bytes
 *   to an agent of another process  its process's inbox, a live topic
 *   to a mailbox                    a durable queue
 *   to a topic                      subscribers here the short way, all others by the broker
 */
import type { Effect } from "../broker/broker.ts";
import { firstOf } from "../delivery/fallback.ts";
import { ColloquyError, errorFromInfo, isColloquyError } from "../errors.ts";
import { type Address, agentAddress, assertAddress } from "../message/address.ts";
import type { Envelope, Sender } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { throwIfAborted } from "../runtime/abort.ts";
import { Admission, callOf } from "./admission.ts";
import { Asking, type AskingPolicies } from "./asking.ts";
import { Deadlocks } from "./causality/deadlocks.ts";
import { sendOptionsOf, settledUnlessLeft } from "./commands/durable-request.ts";
import type { Receipt } from "./commands/receipt.ts";
import { type SendInput, Sending } from "./commands/sending.ts";
import { envelopeOf } from "./envelopes.ts";
import { closed, unreachable } from "./failures.ts";
import {
  type CallOptions,
  checkCall,
  checkDurable,
  checkPublish,
  checkRequest,
  checkSend,
  checkStream,
  invalidOption,
  type PublishOptions,
  type RequestOptions,
  type SendOptions,
  type StreamOptions,
} from "./options.ts";
import type { Asker } from "./requests/attaching.ts";
import { toHandler } from "./requests/control.ts";
import { Incoming } from "./requests/incoming.ts";
import { RemoteCalls } from "./requests/remote-calls.ts";
import { noOptions, RequestRouter } from "./requests/request-router.ts";
import type { Call, StreamReply } from "./requests/stream.ts";
import type { Site } from "./site.ts";
import type { Speaker } from "./speaker.ts";
import { Survey } from "./survey.ts";
import { LocalTopics } from "./topics.ts";
import type { LocalAgent } from "./work.ts";

export class Exchange {
  readonly site: Site;
  readonly topics: LocalTopics;
  readonly #agents = new Map<string, LocalAgent>();
  readonly #declaring = new Map<string, Promise<void>>();
  readonly deadlocks: Deadlocks;
  readonly survey: Survey;
  readonly #admission: Admission;
  readonly #calls: RemoteCalls;
  readonly #router: RequestRouter;
  readonly #incoming: Incoming;
  readonly #sending: Sending;
  readonly #asking: Asking;
  #closed = false;

  constructor(site: Site, policies: AskingPolicies = {}) {
    this.site = site;
    this.#asking = new Asking(site, policies, ({ speaker, to, name, input, options }) =>
      this.#request(speaker, to, name, input, options),
    );
    this.topics = new LocalTopics(site);
    this.deadlocks = new Deadlocks(site, {
      agentAt: (address) => this.#agents.get(address),
      requestOf: (id) => this.#incoming.find(id),
    });
    this.survey = new Survey(site, () => this.#agents.values());
    this.#admission = new Admission(site, this.deadlocks.callers);
    this.#calls = new RemoteCalls(site);
    this.#router = new RequestRouter(site, {
      agentAt: (address) => this.#agents.get(address),
      admission: this.#admission,
      calls: this.#calls,
    });
    this.#incoming = new Incoming(site, (address) => this.#agents.get(address));
    this.#sending = new Sending(site, (queue) => this.#declaring.get(queue));
    site.loopback = (frame) => this.#receive(frame);
    site.registry.follow(this.#calls);
    site.registry.follow(this.#incoming);
  }

  /** Opens this process's inbox; until `signal` aborts. */
  async open(signal: AbortSignal): Promise<void> {
    const { broker, space, instance } = this.site;
    const inbox = space.inbox(instance);
    await broker.topics.subscribe(inbox, (_topic, frame) => this.#receive(frame), signal, {
      onDropped: (count) => {
        this.site.counters.dropped += count;
        // Answers may be among them; they are kept where they were made.
        this.#calls.inquireOfAll();
      },
      onEnded: (error) => this.site.onError(error, "the inbox of this process"),
    });
  }

  /** @throws CONFLICT when this process has an agent of that id. */
  add(agent: LocalAgent): void {
    const address = agentAddress(agent.id);
    if (this.#agents.has(address)) {
      throw new ColloquyError("CONFLICT", `this process has an agent "${agent.id}" already`, {
        details: { field: "id", value: agent.id },
      });
    }
    this.#agents.set(address, agent);
  }

  remove(agent: LocalAgent): void {
    const address = agentAddress(agent.id);
    if (this.#agents.get(address) === agent) this.#agents.delete(address);
  }

  /** Declares mailboxes durably; sends of this process to them wait for it. */
  async declare(addresses: readonly Address[], signal?: AbortSignal): Promise<void> {
    const queues = addresses.map((address) => this.site.space.queue(address));
    const declared = this.site.broker.queues.declare(queues, signal);
    // Where it fails, or is given up, the queue itself says to senders whether it is there.
    const ended = declared.catch(() => {});
    for (const queue of queues) this.#declaring.set(queue, ended);
    try {
      await declared;
    } finally {
      for (const queue of queues) {
        if (this.#declaring.get(queue) === ended) this.#declaring.delete(queue);
      }
    }
  }

  request(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions = noOptions,
  ): Promise<unknown> {
    if (options !== noOptions) {
      try {
        checkRequest(options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.#asking.concerns(options)) return this.#asking.ask(speaker, to, name, input, options);
    return this.#request(speaker, to, name, input, options);
  }

  #request(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    if (options.durable === true) return this.#requestDurably(speaker, to, name, input, options);
    try {
      this.#assertOpen();
      return this.#router.request(speaker, to, name, input, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @throws what `request` rejects with before anything was sent. */
  stream(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: StreamOptions = noOptions,
  ): StreamReply {
    if (options !== noOptions) checkStream(options);
    this.#assertOpen();
    return this.#router.stream(speaker, to, name, input, options);
  }

  /** As `request`, once and without policies, with a handle. @throws what it rejects with before anything was sent. */
  call(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: CallOptions = noOptions,
  ): Call {
    if (options !== noOptions) checkCall(options);
    this.#assertOpen();
    return this.#router.call(speaker, to, name, input, options);
  }

  /** What it takes to attach to work, and to cancel it, by its id. */
  asker(from: Sender): Asker {
    this.#assertOpen();
    return { site: this.site, calls: this.#calls, from };
  }

  send(
    speaker: Speaker,
    to: Address,
    name: string,
    payload: unknown,
    options: SendOptions = noOptions,
  ): Promise<Receipt> {
    try {
      this.#assertOpen();
      checkSend(options);
      throwIfAborted(options.signal);
      assertAddress(to);
      if (options.fallback !== undefined) {
        const { fallback, ...plainly } = options;
        return firstOf(to, fallback, (path) => this.send(speaker, path, name, payload, plainly));
      }
      const input = this.#sendInput(speaker, to, name, payload, options);
      this.site.counters.commands++;
      return this.#sending.send(input);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The single mailboxes that a send to `to` reaches: of `all:`, the members of the moment. */
  recipients(to: Address | readonly Address[]): readonly Address[] {
    if (Array.isArray(to)) return to.flatMap((one: Address) => this.recipients(one));
    assertAddress(to);
    if (!to.startsWith("all:")) return [to];
    const members = this.site.registry.members(`type:${to.slice("all:".length)}`);
    if (members.length === 0) {
      throw new ColloquyError("NO_ELIGIBLE_AGENT", `no agent is in ${to}`, {
        details: { address: to },
      });
    }
    return members.map(({ card }): Address => `agent:${card.id}`);
  }

  publish(speaker: Speaker, topic: string, data: unknown, options: PublishOptions = {}): void {
    this.#assertOpen();
    checkPublish(options);
    this.topics.publish(topic, data, this.event(speaker, topic, options));
  }

  /** Makes the envelope of an event, once, when somebody needs it. */
  event(speaker: Speaker, topic: string, options: PublishOptions): () => Envelope {
    let envelope: Envelope | undefined;
    return () => {
      envelope ??= envelopeOf(this.site, {
        kind: "event",
        name: topic,
        to: [],
        options,
        from: speaker.from,
        cause: speaker.cause,
      });
      return envelope;
    };
  }

  /** What `send` would store, as an effect. */
  sendEffect(
    speaker: Speaker,
    to: Address,
    name: string,
    payload: unknown,
    options: SendOptions,
  ): Extract<Effect, { kind: "enqueue" }> {
    checkSend(options);
    assertAddress(to);
    if (options.fallback !== undefined) {
      throw invalidOption("fallback", options.fallback, "for a send that is staged");
    }
    const message = this.#sending.prepare(this.#sendInput(speaker, to, name, payload, options));
    return { kind: "enqueue", queue: this.site.space.queue(to), message };
  }

  /** After the broker was lost and found again. */
  reattach(): void {
    this.#calls.reattach();
  }

  close(): void {
    this.#closed = true;
    this.deadlocks.close();
    this.survey.close();
    const error = closed("the network");
    this.#incoming.close(error);
    this.#calls.close(error);
    this.#sending.close(error);
    this.topics.close();
    // Requests between agents of this process, whose handlers have not ended.
    for (const call of this.site.timeouts.takeAll()) call.end(error);
  }

  #assertOpen(): void {
    if (this.#closed) throw closed("the network");
  }

  /** @throws what makes the message unfit to be sent, before it is even encoded. */
  #sendInput(
    speaker: Speaker,
    to: Address,
    name: string,
    payload: unknown,
    options: SendOptions,
  ): SendInput {
    const { from, cause } = speaker;
    const call = callOf(speaker, to, name, options);
    const mandate = this.#admission.admitSend(call, cause);
    return { from, cause, to, name, payload, options, mandate };
  }

  async #requestDurably(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    checkDurable(options);
    if (speaker.cause !== undefined) this.#admission.assertWanted(name, speaker.cause);
    const { signal } = options;
    throwIfAborted(signal);
    const sending = this.send(speaker, to, name, input, sendOptionsOf(options));
    const outcome = await settledUnlessLeft(this.site, sending, speaker.cause, signal);
    if (outcome.state === "done") return outcome.result;
    if (outcome.state === "unknown") throw unreachable(name, to, "unknown");
    throw errorFromInfo(outcome.error);
  }

  #receive(frame: Uint8Array): void {
    try {
      const message = decodeMessage(frame);
      const { kind, name } = message.envelope;
      if (kind === "request") this.#incoming.onRequest(message);
      else if (kind === "response" || kind === "error") this.#calls.onMessage(message);
      else if (kind !== "control") return;
      else if (name === "waits") this.deadlocks.onQuestion(message);
      else if (name === "waiting") this.deadlocks.onAnswer(message);
      else if (name === "survey") this.survey.onQuestion(message);
      else if (name === "surveyed") this.survey.onAnswer(message);
      else if (toHandler.has(name)) this.#incoming.onControl(message);
      else this.#calls.onMessage(message);
    } catch (error) {
      if (!isColloquyError(error)) throw error;
      this.site.onError(error, "a message for this process");
    }
  }
}
