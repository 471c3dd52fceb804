/**
 * Topics over core NATS: each is a subject, and nothing of them is stored.
 *
 * A publication carries a reply subject only where something has to be told with it: the last token is
 *
 *   E        from a connection to which the server sends back what it publishes
 *   C        urgent
 *   U NUMBER its publisher wants to know when nobody hears it; the server then answers to it, 503
 *   V NUMBER both
 */
import { ColloquyError } from "../../errors.ts";
import { assertPattern, assertTopic } from "../../message/topic.ts";
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import type { Publication, ReceivePublication, SubscriptionEvents, Topics } from "../broker.ts";
import { hearing, type NatsMessage } from "./client.ts";
import type { LinkPart, NatsLink } from "./connection.ts";
import { clientError } from "./errors.ts";
import { frameBytesMax } from "./probe.ts";

/** Bytes of publications that may be on their way to the server. */
const waitingBytesMax = 64 * 2 ** 20;
/** Bytes after which the server is asked how far it has come. */
const askBytes = 2 ** 18;
/** How long it may take to ask when little is published, of which somebody wants to know. */
const askMs = 20;
/** Topics whose subjects are kept in mind. */
const subjectsMax = 1_024;

const urgentMarks: ReadonlySet<string> = new Set(["C", "V"]);

export class NatsTopics implements Topics, LinkPart {
  readonly #link: NatsLink;
  /** Publications whose publisher wants to know, by number, until the server has come past them. */
  readonly #unheard = new Map<number, Publication>();
  readonly #subjects = new Map<string, string>();
  /** By pattern: for what this broker object announces itself. */
  readonly #own = new Map<string, Set<{ readonly receive: ReceivePublication }>>();
  #numbers = 0;
  /** Bytes that the server has not told to have taken. */
  #waitingBytes = 0;
  #asking = false;

  constructor(link: NatsLink) {
    this.#link = link;
    link.add(this);
    link.onMark((token, message) => this.#answered(token, message));
  }

  /** @throws INVALID_ADDRESS; MESSAGE_TOO_LARGE: then none of them is published. */
  publish(publications: readonly Publication[]): void {
    assertPublications(this.#link, publications);
    if (!this.#link.isReady) return;
    for (const publication of publications) this.#publish(publication);
    this.#askIfNeeded();
  }

  /** Publishes what the broker itself has to say: also to the subscriptions of this same broker object. */
  announce(topic: string, frame: Uint8Array): void {
    this.publish([{ topic, frame }]);
    for (const { receive } of this.#own.get(topic) ?? []) receive(topic, frame);
  }

  hasRoom(): boolean {
    return this.#waitingBytes < waitingBytesMax;
  }

  async subscribe(
    pattern: string,
    receive: ReceivePublication,
    signal: AbortSignal,
    events: SubscriptionEvents = {},
  ): Promise<void> {
    const link = this.#link;
    link.assertOpen();
    throwIfAborted(signal);
    assertPattern(pattern, "internal");
    await link.whenReady(signal);
    let refusal: ColloquyError | undefined;
    let inForce = false;
    const own = this.#ownSubscriptions(pattern);
    const entry = { receive };
    own.add(entry);
    const subscription = link.client.subscribe(
      link.names.topic(pattern),
      hearing((error, message) => {
        if (error === null) {
          if (!signal.aborted) this.#received(message, receive);
          return;
        }
        refusal = clientError(error, `subscribing to ${pattern}`);
        if (inForce) events.onEnded?.(refusal);
      }),
    );
    const forget = onAbort(signal, () => {
      own.delete(entry);
      if (own.size === 0) this.#own.delete(pattern);
      if (link.failure === undefined) subscription.unsubscribe();
    });
    try {
      await link.flush(signal);
      if (refusal !== undefined) throw refusal;
      inForce = true;
    } catch (error) {
      forget();
      own.delete(entry);
      if (link.failure === undefined) subscription.unsubscribe();
      throw error;
    }
  }

  lost(): void {
    // Whoever published hears nothing: the broker cannot tell.
    this.#unheard.clear();
    this.#waitingBytes = 0;
  }

  closed(): void {
    this.lost();
  }

  #ownSubscriptions(pattern: string): Set<{ readonly receive: ReceivePublication }> {
    const known = this.#own.get(pattern);
    if (known !== undefined) return known;
    const made = new Set<{ readonly receive: ReceivePublication }>();
    this.#own.set(pattern, made);
    return made;
  }

  #publish(publication: Publication): void {
    const { topic, frame } = publication;
    if (!this.hasRoom()) {
      if (publication.onUnheard !== undefined) queueMicrotask(() => publication.onUnheard?.(true));
      return;
    }
    const mark = this.#mark(publication);
    const subject = this.#subject(topic);
    this.#link.send(subject, frame, mark === "" ? undefined : `${this.#link.inbox}.${mark}`);
    this.#waitingBytes += frame.length + subject.length;
  }

  /** The same few topics are published on again and again. */
  #subject(topic: string): string {
    const known = this.#subjects.get(topic);
    if (known !== undefined) return known;
    if (this.#subjects.size >= subjectsMax) this.#subjects.clear();
    const subject = this.#link.names.topic(topic);
    this.#subjects.set(topic, subject);
    return subject;
  }

  #mark(publication: Publication): string {
    const urgent = publication.control === true;
    if (publication.onUnheard !== undefined) {
      const number = ++this.#numbers;
      this.#unheard.set(number, publication);
      return `${urgent ? "V" : "U"}${number.toString(36)}`;
    }
    if (urgent) return "C";
    return this.#link.echoes ? "E" : "";
  }

  #received({ subject, reply = "", data }: NatsMessage, receive: ReceivePublication): void {
    const topic = this.#link.names.topicOf(subject);
    if (reply === "") {
      receive(topic, data);
      return;
    }
    const end = reply.lastIndexOf(".");
    if (reply.slice(0, end) === this.#link.inbox) return;
    receive(topic, data, urgentMarks.has(reply.charAt(end + 1)));
  }

  #answered(token: string, { headers }: NatsMessage): void {
    if (headers?.code !== 503) return;
    const number = Number.parseInt(token.slice(1), 36);
    const publication = this.#unheard.get(number);
    if (publication === undefined) return;
    this.#unheard.delete(number);
    publication.onUnheard?.(false);
  }

  /** What was published before a question is taken, or called unheard, before its answer. */
  #askIfNeeded(): void {
    if (this.#asking) return;
    if (this.#waitingBytes >= askBytes) {
      this.#asking = true;
      // In one go with all that is published now.
      queueMicrotask(() => void this.#ask());
    } else if (this.#unheard.size > 0) {
      this.#asking = true;
      this.#link.clock.setTimer(askMs, () => void this.#ask());
    }
  }

  async #ask(): Promise<void> {
    const last = this.#numbers;
    const bytes = this.#waitingBytes;
    const came = await this.#link.flushOnce();
    this.#asking = false;
    if (!came) return;
    this.#waitingBytes = Math.max(0, this.#waitingBytes - bytes);
    for (const number of this.#unheard.keys()) {
      if (number > last) break;
      this.#unheard.delete(number);
    }
    this.#askIfNeeded();
  }
}

/** @throws INVALID_ADDRESS, MESSAGE_TOO_LARGE. */
export function assertPublications(
  link: NatsLink,
  publications: readonly Pick<Publication, "topic" | "frame">[],
): void {
  const bytesMax = frameBytesMax(link.facts.server);
  for (const { topic, frame } of publications) {
    assertTopic(topic, "internal");
    if (frame.length > bytesMax) throw tooLarge(frame.length, bytesMax);
  }
}

function tooLarge(bytes: number, bytesMax: number): ColloquyError<"MESSAGE_TOO_LARGE"> {
  const message = `frame: ${bytes} bytes, the limit is ${bytesMax}`;
  return new ColloquyError("MESSAGE_TOO_LARGE", message, {
    details: { field: "frame", bytes, bytesMax },
  });
}
