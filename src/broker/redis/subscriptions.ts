/**
 * What this broker object is subscribed to on the server, shared by all who listen to the same name
 * here. It is in force again whenever a link begins.
 *
 * The client must not be asked about a name while it still waits for the server's answer about it, so
 * every name has one question at a time, and afterwards what is wanted is compared with what is.
 */
import type { ColloquyError } from "../../errors.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { RedisListener } from "./client.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import { isReply, replyError } from "./errors.ts";
import type { RedisLink } from "./link.ts";

export interface Listener {
  /** Must return quickly. What it throws is forgotten, and the message with it. */
  readonly receive: RedisListener;
  /** It has ended by itself: when the server came back, it refused the subscription. */
  readonly onEnded?: (error: ColloquyError) => void;
}

export interface Listening {
  /** Resolves when the subscription is in force. @throws what the server refuses; CLOSED. */
  readonly inForce: Promise<void>;
  /** Safe to repeat. */
  readonly end: () => void;
}

interface Entry {
  readonly name: string;
  readonly glob: boolean;
  readonly matches: (channel: string) => boolean;
  /** Replaced, never changed: it may be walked while somebody leaves. */
  listeners: readonly Listener[];
  inForce: Deferred;
  /** On the present link. */
  subscribed: boolean;
  /** The link that was asked and has not answered. */
  asked: RedisLink | undefined;
}

export class Subscriptions implements LinkPart {
  readonly #connection: RedisConnection;
  readonly #entries = new Map<string, Entry>();
  /** Counts every change of what the server knows, when it is asked for and when it is done. */
  #changes = 0;

  /** The first part of its connection: the others find their channels in force. */
  constructor(connection: RedisConnection) {
    this.#connection = connection;
    connection.add(this);
  }

  /** Tells two moments apart between which the server may have counted a subscriber more or less. */
  get changes(): number {
    return this.#changes;
  }

  /** How often the server sends a message of `channel` here. */
  count(channel: string): number {
    let count = 0;
    for (const { matches, subscribed } of this.#entries.values()) {
      if (subscribed && matches(channel)) count++;
    }
    return count;
  }

  /**
   * @param name - of a channel, or with `glob` what the server matches channels with. A channel that
   *   several names here catch is received once for each.
   */
  listen(name: string, glob: boolean, listener: Listener): Listening {
    const key = `${glob ? "*" : "="}${name}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = newEntry(name, glob);
      this.#entries.set(key, entry);
    }
    const { failure, link } = this.#connection;
    const { inForce } = entry;
    entry.listeners = [...entry.listeners, listener];
    if (failure !== undefined) inForce.reject(failure);
    else if (link !== undefined) this.#settle(key, entry, link);
    return { inForce: inForce.promise, end: () => this.#leave(key, entry, listener) };
  }

  async begin(link: RedisLink): Promise<void> {
    const asked = [...this.#entries].map(async ([key, entry]) => {
      try {
        await this.#subscribe(entry, link);
      } catch (cause) {
        if (!isReply(cause)) throw cause;
        this.#refused(key, entry, replyError(cause, "subscribe"));
      }
    });
    await Promise.all(asked);
  }

  ready(): void {
    const { link } = this.#connection;
    if (link === undefined) return;
    for (const [key, entry] of this.#entries) this.#settle(key, entry, link);
  }

  lost(): void {
    this.#changes++;
    for (const [key, entry] of this.#entries) {
      entry.subscribed = false;
      entry.asked = undefined;
      if (entry.listeners.length === 0) this.#entries.delete(key);
    }
  }

  closed(error: ColloquyError): void {
    for (const { inForce } of this.#entries.values()) inForce.reject(error);
    this.#entries.clear();
  }

  #leave(key: string, entry: Entry, listener: Listener): void {
    const index = entry.listeners.indexOf(listener);
    if (index === -1) return;
    entry.listeners = entry.listeners.toSpliced(index, 1);
    const { link } = this.#connection;
    if (link !== undefined) this.#settle(key, entry, link);
    else if (entry.listeners.length === 0) this.#entries.delete(key);
  }

  /** Makes what is into what is wanted, unless that is under way. */
  #settle(key: string, entry: Entry, link: RedisLink): void {
    const wanted = entry.listeners.length > 0;
    if (entry.asked !== undefined) return;
    if (entry.subscribed === wanted) {
      if (!wanted) this.#entries.delete(key);
      return;
    }
    const question = wanted ? this.#subscribe(entry, link) : this.#unsubscribe(entry, link);
    question.then(
      () => {
        if (this.#connection.link === link) this.#settle(key, entry, link);
      },
      (cause) => {
        // A broken link is told by the link, and what is wanted is asked of the next one.
        if (isReply(cause)) this.#refused(key, entry, replyError(cause, "subscribe"));
      },
    );
  }

  async #subscribe(entry: Entry, link: RedisLink): Promise<void> {
    const receive: RedisListener = (message, channel) => {
      for (const listener of entry.listeners) {
        try {
          listener.receive(message, channel);
        } catch {
          // The server has other clients: what this one cannot read is nothing to it. Thrown from here, it
          // would end the connection. It has changed nothing: what is decoded is decoded first.
        }
      }
    };
    await this.#ask(entry, link, link.subscribe(entry.name, entry.glob, receive));
    if (entry.asked !== link) return;
    entry.asked = undefined;
    entry.subscribed = true;
    entry.inForce.resolve();
  }

  async #unsubscribe(entry: Entry, link: RedisLink): Promise<void> {
    entry.inForce = newDeferred();
    await this.#ask(entry, link, link.unsubscribe(entry.name, entry.glob));
    if (entry.asked !== link) return;
    entry.asked = undefined;
    entry.subscribed = false;
  }

  async #ask(entry: Entry, link: RedisLink, question: Promise<unknown>): Promise<void> {
    entry.asked = link;
    this.#changes++;
    try {
      await question;
    } finally {
      this.#changes++;
    }
  }

  #refused(key: string, entry: Entry, error: ColloquyError): void {
    this.#entries.delete(key);
    entry.inForce.reject(error);
    for (const { onEnded } of entry.listeners) onEnded?.(error);
    entry.listeners = [];
  }
}

function newEntry(name: string, glob: boolean): Entry {
  const matches = glob ? globMatcher(name) : (channel: string) => channel === name;
  const inForce = newDeferred();
  return { name, glob, matches, listeners: [], inForce, subscribed: false, asked: undefined };
}

function newDeferred(): Deferred {
  const deferred = new Deferred();
  deferred.promise.catch(() => {});
  return deferred;
}

/** As the server reads the globs of names.ts: `*` is anything, `\` takes the meaning off what follows. */
function globMatcher(glob: string): (channel: string) => boolean {
  const source = glob.replaceAll(/\\?[\s\S]/g, (part) => {
    if (part === "*") return "[\\s\\S]*";
    const character = part.length > 1 ? part.slice(1) : part;
    return character.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&");
  });
  const expression = new RegExp(`^${source}$`);
  return (channel) => expression.test(channel);
}
