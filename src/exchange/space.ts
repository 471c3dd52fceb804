/**
 * Keeps fabrics apart that share one broker: everything a broker sees carries the space's name, but
 * for the default space, whose names stay plain.
 */
import { ColloquyError } from "../errors.ts";
import { assertId } from "../message/address.ts";

/** Inboxes remembered. */
const inboxesMax = 1_024;

export class Space {
  readonly name: string;
  readonly #topicPrefix: string;
  readonly #prefix: string;
  /** Made once for each of the latest processes: a text put together anew is looked up slowly. */
  #inboxes = new Map<string, string>();

  /** @throws INVALID_ADDRESS when the name is no id, or has a dot. */
  constructor(name = "default") {
    assertId("space", name);
    if (name.includes(".")) {
      throw new ColloquyError("INVALID_ADDRESS", `space: "${name}" has a dot`, {
        details: { field: "space", value: name, limit: "an id without dots" },
      });
    }
    this.name = name;
    this.#prefix = name === "default" ? "" : `${name}~`;
    this.#topicPrefix = name === "default" ? "" : `${name}.`;
  }

  topic(topic: string): string {
    return this.#topicPrefix + topic;
  }

  /** What `topic` made of it, taken back. */
  topicOf(wire: string): string {
    return this.#topicPrefix === "" ? wire : wire.slice(this.#topicPrefix.length);
  }

  /** Where the process `instance` takes what is addressed to its agents. */
  inbox(instance: string): string {
    const known = this.#inboxes.get(instance);
    if (known !== undefined) return known;
    if (this.#inboxes.size >= inboxesMax) this.#inboxes = new Map();
    const inbox = `${this.#topicPrefix}_inbox.${instance}`;
    this.#inboxes.set(instance, inbox);
    return inbox;
  }

  queue(address: string): string {
    return this.#prefix + address;
  }

  /** The address a queue of this space stands for; undefined for a queue of another space. */
  addressOf(queue: string): string | undefined {
    if (this.#prefix === "") return queue.includes("~") ? undefined : queue;
    return queue.startsWith(this.#prefix) ? queue.slice(this.#prefix.length) : undefined;
  }

  /** Keys the fabric keeps for itself. */
  presenceKey(path: string): string {
    return `${this.#prefix}presence/${path}`;
  }

  /** Where it is counted how often the dead letter of a message was put back. */
  replaysKey(queue: string, messageId: string): string {
    return `${this.#prefix}replays/${queue}/${messageId}`;
  }

  /** Keys that users name. */
  storeKey(key: string): string {
    return `${this.#prefix}store/${key}`;
  }

  stream(name: string): string {
    return this.#prefix + name;
  }
}
