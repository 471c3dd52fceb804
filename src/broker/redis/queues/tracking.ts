/**
 * Who waits here for the ends of messages, or follows them. With each new link the server is asked anew,
 * as what it told meanwhile is lost.
 */
import type { ColloquyError } from "../../../errors.ts";
import { throwIfAborted, withAbort } from "../../../runtime/abort.ts";
import type { EnqueueOutcome, MessageState, QueuedMessage, TrackOptions } from "../../broker.ts";
import type { RedisReply } from "../client.ts";
import type { LinkPart, RedisConnection } from "../connection.ts";
import { Batcher } from "./batches.ts";
import { trackScript, unfollowScript } from "./scripts/track.ts";
import { SentMessages } from "./sent.ts";
import { decodeTracked, type Tracked, Tracker } from "./tracker.ts";

export class Tracking implements LinkPart {
  readonly #connection: RedisConnection;
  readonly #trackers = new Map<string, Set<Tracker>>();
  readonly #sent = new SentMessages();
  /** Whoever begins to wait for messages in one turn does so in one call. */
  readonly #waits: Batcher<readonly string[], Tracked>;
  /** The key that tells scripts where everything lies. */
  readonly #key: string;

  /** Before the connection is opened. */
  constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#key = connection.names.key("q");
    this.#waits = new Batcher((messages) => this.#lookAtAll(messages));
    connection.add(this);
  }

  /** To be read before messages are on their way to the server, for `stored`. */
  get era(): number {
    return this.#sent.era;
  }

  /** What became of a message that was sent. One that may expire by itself has to be asked for. */
  stored(queue: string, message: QueuedMessage, outcome: EnqueueOutcome, era: number): void {
    if (outcome.kind !== "stored" || outcome.duplicate || message.expiresAtMs !== undefined) return;
    this.#sent.stored(nameOf(queue, outcome.position), era);
  }

  async track(
    queue: string,
    position: number,
    { wait = false, onChange, signal }: TrackOptions,
  ): Promise<MessageState> {
    throwIfAborted(signal);
    const { clock, failure } = this.#connection;
    if (failure !== undefined) throw failure;
    const onlyWaits = wait && onChange === undefined;
    const known = onlyWaits ? this.#sent.stateOf(nameOf(queue, position)) : undefined;
    if (known !== undefined && known !== "told") return known;
    const how = onlyWaits ? "wait" : wait ? "follow" : "";
    const tracker = new Tracker({
      clock,
      once: !wait,
      onChange,
      // Who follows is told what happens after this call; who only waits may be a little late.
      ask: () => {
        const asked = [queue, String(position), how];
        return onlyWaits ? this.#waits.ask(asked) : this.#look(asked);
      },
    });
    const forget = this.#add(nameOf(queue, position), tracker);
    try {
      if (known === undefined) void tracker.ask();
      const state = await withAbort(tracker.result.promise, signal);
      if ("attempts" in state) this.#unfollow(queue, position, forget);
      return state;
    } catch (error) {
      if (!onlyWaits) this.#unfollow(queue, position, forget);
      throw error;
    } finally {
      forget();
    }
  }

  /** The server says how a message stands. */
  told(queue: string, position: string, state: MessageState): void {
    const name = nameOf(queue, position);
    const trackers = this.#trackers.get(name);
    if (!("attempts" in state)) this.#sent.ended(name, state, trackers !== undefined);
    for (const tracker of trackers ?? []) tracker.told(state);
  }

  /** Some messages may have ended without its being told. */
  missed(): void {
    this.lost();
    this.ready();
  }

  ready(): void {
    for (const trackers of this.#trackers.values()) {
      for (const tracker of trackers) void tracker.ask();
    }
  }

  lost(): void {
    this.#sent.endEra();
  }

  closed(error: ColloquyError): void {
    for (const trackers of [...this.#trackers.values()]) {
      for (const tracker of trackers) tracker.fail(error);
    }
  }

  #add(name: string, tracker: Tracker): () => void {
    const there = this.#trackers.get(name) ?? new Set<Tracker>();
    this.#trackers.set(name, there.add(tracker));
    return () => {
      tracker.stop();
      there.delete(tracker);
      if (there.size === 0 && this.#trackers.get(name) === there) this.#trackers.delete(name);
    };
  }

  async #look(message: readonly string[]): Promise<Tracked> {
    const [tracked] = await this.#lookAtAll([message]);
    return tracked as Tracked;
  }

  async #lookAtAll(messages: readonly (readonly string[])[]): Promise<readonly Tracked[]> {
    const parameters = [this.#connection.session, ...messages.flat()];
    const answers = await this.#connection.read(trackScript, [this.#key], parameters);
    return (answers as readonly RedisReply[]).map(decodeTracked);
  }

  /** Nobody here follows the message any more, unless somebody else does. */
  #unfollow(queue: string, position: number, forget: () => void): void {
    forget();
    const { failure, session } = this.#connection;
    if (failure !== undefined || this.#trackers.has(nameOf(queue, position))) return;
    const parameters = [queue, String(position), session];
    this.#connection.once(unfollowScript, [this.#key], parameters).catch(() => {});
  }
}

function nameOf(queue: string, position: number | string): string {
  return `${position} ${queue}`;
}
