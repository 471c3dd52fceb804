/**
 * Where everything lies on the server: one prefix for each fabric, then the subjects below it.
 *
 *   PREFIX.t.TOPIC             topics; nothing of them is stored
 *   PREFIX.s.KEY               stream PREFIX_state: entries of the store
 *   PREFIX.l.STREAM.POSITION   stream PREFIX_state: entries of the log
 *   PREFIX.m.>                 stream PREFIX_state: records of the queues
 *   PREFIX.w.>                 stream PREFIX_work: what waits in the queues
 *   PREFIX.v.KEY               stream PREFIX_volatile: volatile entries of the store
 *   PREFIX.r.>                 stream PREFIX_volatile: who receives from which queue
 *   PREFIX.n.>                 notices between the broker objects of a fabric; nothing of them is stored
 *
 * A topic is a subject already, but for the rule that no wildcard matches a token that begins with
 * `_`: which tokens do is told before it, as a number in base 32 with one bit for each token, so that
 * `a._b.*` and `a._b.c` lie below PREFIX.t2, where `>` never comes.
 *
 * Other names become tokens: ASCII letters, digits, `_` `-` `:` `@` `+` `=` `,` stay as they are, and
 * every other byte of the UTF-8 is `%` and two hexadecimal digits; an empty name is `%`. A key of the
 * store is cut at its slashes, so that `presence/` is found as PREFIX.s.presence.>.
 *
 *   key = "presence/a.b//x"   subject = PREFIX.s.presence.a%2Eb.%.x
 *
 * What is longer than a subject may be has its whole tokens as far as there is room, then `%~` and a
 * digest; what it is called stands in the header `Colloquy-Name` then.
 */
import { createHash } from "node:crypto";
import { invalidOption } from "../../errors.ts";

/** Of a prefix: it begins the names of streams, which are directories. */
export const prefixPattern: RegExp = /^[A-Za-z0-9_-]{1,64}$/;

/** Bytes of one name as a subject; subject, reply and sizes have to fit into 4,096. */
export const nameSubjectBytesMax = 512;

/** Bytes of tokens that stay readable in a name that is longer. */
const readableBytesMax = 384;

/** Where a name stands that its subject does not tell, percent-encoded. */
export const nameHeader = "Colloquy-Name";

const digestMark = "%~";

export type StreamKind = "work" | "state" | "volatile";

export class Names {
  readonly prefix: string;
  /** Names of the JetStream streams. */
  readonly streams: Readonly<Record<StreamKind, string>>;

  /** @throws INVALID_OPTION for a prefix that cannot begin the name of a stream. */
  constructor(prefix: string) {
    if (typeof prefix !== "string" || !prefixPattern.test(prefix)) {
      throw invalidOption("prefix", prefix, "1 to 64 ASCII letters, digits, _ or -");
    }
    this.prefix = prefix;
    this.streams = {
      work: `${prefix}_work`,
      state: `${prefix}_state`,
      volatile: `${prefix}_volatile`,
    };
  }

  /** Which stream has a subject. */
  streamOf(subject: string): StreamKind {
    const letter = subject.charAt(this.prefix.length + 1);
    if (letter === "w") return "work";
    return letter === "v" || letter === "r" ? "volatile" : "state";
  }

  /** The name of the stream that has the subject; undefined where nothing is stored under it. */
  streamNameOf(subject: string): string | undefined {
    const isStored = /^\.[wslmvr]\./.test(subject.slice(this.prefix.length));
    const isOwn = isStored && subject.startsWith(this.prefix);
    return isOwn ? this.streams[this.streamOf(subject)] : undefined;
  }

  /** Of a topic or of a pattern. */
  topic(pattern: string): string {
    return `${this.prefix}.t${internalTokens(pattern)}.${pattern}`;
  }

  topicOf(subject: string): string {
    return subject.slice(subject.indexOf(".", this.prefix.length + 1) + 1);
  }

  /** Of an entry of the store. */
  entry(kind: "state" | "volatile", key: string): string {
    return `${this.prefix}.${kind === "state" ? "s" : "v"}.${path(key)}`;
  }

  /** Of all entries whose keys begin with `prefix`, and of some others. */
  entries(kind: "state" | "volatile", prefix: string): string {
    return `${this.prefix}.${kind === "state" ? "s" : "v"}.${pathFilter(prefix)}`;
  }

  /** The key of an entry; undefined where only its header tells. */
  keyOf(subject: string): string | undefined {
    const tokens = subject.slice(this.prefix.length + 3).split(".");
    if (tokens.at(-1)?.startsWith(digestMark) === true) return undefined;
    return tokens.map(decodeToken).join("/");
  }

  /** Of the entry of a log's stream. */
  logEntry(stream: string, position: number): string {
    return `${this.prefix}.l.${boundedToken(stream)}.${position}`;
  }

  /** Of all entries of a log's stream. */
  logEntries(stream: string): string {
    return `${this.prefix}.l.${boundedToken(stream)}.*`;
  }
}

/** Headers that a name needs beside its subject: none where the subject tells it. */
export function nameHeaders(name: string): Readonly<Record<string, string>> {
  return path(name).includes(digestMark) ? { [nameHeader]: encodeToken(name) } : {};
}

/** One token that is the whole name, as it is where it can be. Reversed by `decodeToken`. */
export function encodeToken(name: string): string {
  if (plain.test(name)) return name;
  if (name === "") return "%";
  let token = "";
  for (const byte of Buffer.from(name)) {
    token += isPlain[byte] === 1 ? String.fromCharCode(byte) : hex[byte];
  }
  return token;
}

export function decodeToken(token: string): string {
  if (!token.includes("%")) return token;
  if (token === "%") return "";
  try {
    return decodeURIComponent(token);
  } catch {
    // None of ours: it stands for itself, and nothing is found under it.
    return token;
  }
}

/** As `encodeToken`; a name that is too long is its beginning and a digest, which tells nothing back. */
export function boundedToken(name: string): string {
  const token = encodeToken(name);
  if (token.length <= nameSubjectBytesMax) return token;
  // Never half of an escape.
  const begin = token.slice(0, readableBytesMax).replace(/%[0-9A-F]?$/, "");
  return `${begin}${digestMark}${digest(name)}`;
}

/** For the names of streams and consumers, where the slash and others are not allowed either; bounded. */
export function boundedName(name: string): string {
  return boundedToken(name).replaceAll("%", "=").replaceAll(":", "=3A");
}

const plain = /^[A-Za-z0-9_:@+=,-]+$/;
const isPlain = new Uint8Array(256);
for (let byte = 0; byte < 128; byte++) {
  isPlain[byte] = plain.test(String.fromCharCode(byte)) ? 1 : 0;
}
const hex = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
);

function path(name: string): string {
  const tokens = name.split("/").map(encodeToken);
  const whole = tokens.join(".");
  if (whole.length <= nameSubjectBytesMax) return whole;
  return [...readable(tokens), `${digestMark}${digest(name)}`].join(".");
}

/** Only tokens that stay readable in every name, however it goes on. */
function pathFilter(prefix: string): string {
  const tokens = prefix.split("/").slice(0, -1).map(encodeToken);
  return [...readable(tokens), ">"].join(".");
}

function readable(tokens: readonly string[]): readonly string[] {
  let bytes = 0;
  const end = tokens.findIndex((token) => {
    bytes += token.length + 1;
    return bytes > readableBytesMax;
  });
  return end === -1 ? tokens : tokens.slice(0, end);
}

function digest(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 40);
}

function internalTokens(pattern: string): string {
  if (!pattern.includes("_")) return "";
  let bits = 0;
  for (const [index, token] of pattern.split(".").entries()) {
    if (token.startsWith("_")) bits += 2 ** index;
  }
  return bits === 0 ? "" : bits.toString(32);
}
