/**
 * Live fan-out over the server's own publish and subscribe.
 *
 *   message = flags origin frame
 *     flags   u8, bit 0: control
 *     origin  8 bytes that name the broker object that published, which does not hear itself
 */
import { assertPattern, assertTopic } from "../../message/topic.ts";
import { TopicTree } from "../../message/topic-tree.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Publication, ReceivePublication, SubscriptionEvents, Topics } from "../broker.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import type { RedisLink } from "./link.ts";
import type { Subscriptions } from "./subscriptions.ts";

const headBytes = 9;
const controlFlag = 1;
/** Bytes that were sent and that the server has not answered: data beyond them waits here, where control passes it. */
const sentBytesMax = 2 ** 20;
/** No object's: it would take two random words that are both 0. */
const noOrigin = Buffer.alloc(headBytes - 1);

export class RedisTopics implements Topics, LinkPart {
  readonly #connection: RedisConnection;
  readonly #subscriptions: Subscriptions;
  readonly #origin: Buffer;
  readonly #waiting = new RingBuffer<Publication>();
  #waitingBytes = 0;
  #sentBytes = 0;

  constructor(connection: RedisConnection, subscriptions: Subscriptions) {
    const { random } = connection;
    this.#connection = connection;
    this.#subscriptions = subscriptions;
    this.#origin = Buffer.alloc(headBytes - 1);
    this.#origin.writeUInt32BE(random.uint32(), 0);
    this.#origin.writeUInt32BE(random.uint32(), 4);
    connection.add(this);
  }

  hasRoom(): boolean {
    return this.#waitingBytes < this.#connection.limits.waitingBytesMax;
  }

  publish(publications: readonly Publication[]): void {
    const { failure, link } = this.#connection;
    if (failure !== undefined) throw failure;
    for (const publication of publications) {
      const { topic, frame, control } = publication;
      assertTopic(topic, "internal");
      if (link === undefined) continue;
      if (control === true || this.#maySend()) {
        this.#send(publication, link);
      } else if (this.hasRoom()) {
        this.#waiting.push(publication);
        this.#waitingBytes += frame.length;
      } else {
        // Not from within the call: whoever is told may publish again.
        queueMicrotask(() => publication.onUnheard?.(true));
      }
    }
  }

  /** What a message of a topic has to be, for whoever publishes from within a script. */
  message(frame: Uint8Array, control: boolean = false): Buffer {
    return this.#message(frame, control, this.#origin);
  }

  /** The same, of what the broker itself has to say: this object hears it too. */
  announcement(frame: Uint8Array): Buffer {
    return this.#message(frame, false, noOrigin);
  }

  async subscribe(
    pattern: string,
    receive: ReceivePublication,
    signal: AbortSignal,
    events: SubscriptionEvents = {},
  ): Promise<void> {
    assertPattern(pattern, "internal");
    throwIfAborted(signal);
    const { names, failure } = this.#connection;
    if (failure !== undefined) throw failure;
    // The server's globs know nothing of tokens: what they catch besides is sorted out here.
    const tree = new TopicTree<true>();
    tree.add(pattern, true);
    const { name, glob } = names.subscription(pattern);
    const { onEnded } = events;
    const listening = this.#subscriptions.listen(name, glob, {
      receive: (message, channel) => {
        if (message.length < headBytes || this.#isOwn(message)) return;
        const topic = glob ? names.topic(channel.toString()) : pattern;
        if (glob && tree.match(topic).length === 0) return;
        receive(topic, message.subarray(headBytes), ((message[0] ?? 0) & controlFlag) !== 0);
      },
      ...(onEnded && { onEnded }),
    });
    onAbort(signal, listening.end);
    await withAbort(listening.inForce, signal);
  }

  lost(): void {
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#sentBytes = 0;
  }

  closed(): void {
    this.lost();
  }

  #message(frame: Uint8Array, control: boolean, origin: Buffer): Buffer {
    const message = Buffer.allocUnsafe(headBytes + frame.length);
    message[0] = control ? controlFlag : 0;
    origin.copy(message, 1);
    message.set(frame, headBytes);
    return message;
  }

  #isOwn(message: Buffer): boolean {
    return this.#origin.equals(message.subarray(1, headBytes));
  }

  #maySend(): boolean {
    return this.#waiting.size === 0 && this.#sentBytes < sentBytesMax;
  }

  #send(publication: Publication, link: RedisLink): void {
    const { topic, frame, control = false, onUnheard } = publication;
    const channel = this.#connection.names.channel(topic);
    const message = this.message(frame, control);
    const { changes } = this.#subscriptions;
    this.#sentBytes += message.length;
    const answered = (receivers: unknown): void => {
      if (this.#connection.link !== link) return;
      this.#sentBytes -= message.length;
      this.#pump(link);
      if (onUnheard === undefined || typeof receivers !== "number") return;
      // Its own subscription counts, unless it came or went meanwhile: then nobody knows.
      const own = receivers === 0 ? 0 : this.#subscriptions.count(channel);
      if (receivers === 0 || (receivers === own && this.#subscriptions.changes === changes)) {
        onUnheard.call(publication, false);
      }
    };
    // Refused, or the link is lost: as every publication that does not arrive.
    link.sendLive(["PUBLISH", channel, message]).then(answered, () => answered(undefined));
  }

  #pump(link: RedisLink): void {
    while (this.#waiting.size > 0 && this.#sentBytes < sentBytesMax) {
      const publication = this.#waiting.shift();
      if (publication === undefined) return;
      this.#waitingBytes -= publication.frame.length;
      this.#send(publication, link);
    }
  }
}
