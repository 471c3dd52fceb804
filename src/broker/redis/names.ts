/**
 * What things are called on the server. All keys of a fabric have one hash tag, `{prefix}`, so that a
 * cluster keeps them in one slot and a script may touch them together.
 *
 *   {colloquy}:s:...                a key; the first part says whose it is
 *   {colloquy}:t:market.gold;2      the channel of a topic, with its count of tokens
 *   {colloquy}:i:_inbox.01J;2       the same, of a topic with an internal token
 *   {colloquy}:t:market.*;2         what is subscribed to for `market.*`; for `market.>`: market.*
 *
 * A glob's `*` goes over dots. The count of tokens at the end leaves it no room to, because a topic has
 * as many dots as its pattern has then; only a pattern with both `*` and `>` catches more than it
 * matches. Internal topics lie apart, because no wildcard matches them: `>` would fetch every inbox.
 */
import { isExact } from "../../message/topic.ts";

export class Names {
  /** Before every key and channel. */
  readonly base: string;

  /** @param prefix - as options.ts admits it. */
  constructor(prefix: string) {
    this.base = `{${prefix}}:`;
  }

  /** Parts are joined by `:`; only the last may have one itself, or two names could be the same. */
  key(...parts: readonly string[]): string {
    return this.base + parts.join(":");
  }

  /** @param topic - valid, also an internal one. */
  channel(topic: string): string {
    return `${this.base}${area(topic)}:${topic};${tokens(topic)}`;
  }

  /** What to subscribe to for a valid pattern. Two patterns may have the same. */
  subscription(pattern: string): { readonly name: string; readonly glob: boolean } {
    if (isExact(pattern)) return { name: this.channel(pattern), glob: false };
    const rest = pattern.endsWith(">");
    const glob = rest ? `${pattern.slice(0, -1)}*` : `${pattern};${tokens(pattern)}`;
    return { name: `${escapeGlob(this.base)}${area(pattern)}:${glob}`, glob: true };
  }

  /** The topic of a channel of ours. */
  topic(channel: string): string {
    return channel.slice(this.base.length + 2, channel.lastIndexOf(";"));
  }
}

/** So that a text stands for itself in a pattern of the server's. */
export function escapeGlob(text: string): string {
  return text.replaceAll(/[*?[\]^\\]/g, "\\$&");
}

function area(topicOrPattern: string): "i" | "t" {
  return /(^|\.)_/.test(topicOrPattern) ? "i" : "t";
}

function tokens(topicOrPattern: string): number {
  return topicOrPattern.split(".").length;
}
