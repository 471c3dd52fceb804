/**
 * Reads the fields of an envelope, each checked in full as it is read. A header between agents that
 * know each other has one text that is new, its id. Where there are more, the header becomes one text,
 * of which they are pieces: one native call instead of one per field. A piece keeps the whole text
 * alive, so that covers only as much as an ordinary header takes.
 */
import { type Address, isAddressOfIdClass } from "./address.ts";
import { readUint53 } from "./byte-reader.ts";
import {
  type CharacterClass,
  headerNameClass,
  idClass,
  isPrintable,
  printableClass,
  tokenClass,
} from "./characters.ts";
import type { Ancestor } from "./envelope.ts";
import { limit } from "./envelope-fields.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import {
  headersBytesMax,
  headersMax,
  idCharactersMax,
  nameBytesMax,
  pathMax,
  recipientsMax,
  topicTokensMax,
} from "./limits.ts";
import { type Addressing, readBefore, rememberRead } from "./recurring-addressing.ts";
import { recurringText } from "./recurring-texts.ts";
import { decodeUtf8, textOfBytes } from "./text.ts";
import { isTopic } from "./topic.ts";

const dot = 46;

/** A field that is kept keeps this much at most. */
const sharedTextBytesMax = 1_024;

/** Length of the longest address. */
const addressBytesMax = "skill:".length + idCharactersMax;

export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  #hasText = false;
  /** Character n is byte `#start` + n. Only where a byte is ASCII is the character right. Made for the second text. */
  #text: string | undefined = undefined;

  /** Reads what follows the first `skipped` bytes of the header from `start` up to, not including, `end`. */
  constructor(bytes: Uint8Array, start: number, end: number, skipped: number) {
    this.#bytes = bytes;
    this.#at = start + skipped;
    this.#start = start;
    this.#end = end;
  }

  number(field: string): number {
    return readUint53(field, this.#bytes, this.#advance(field, 8));
  }

  skip16(field: string): void {
    this.#advance(field, this.#uint16(field));
  }

  id(field: string): string {
    return this.#ofClass(field, idClass, idCharactersMax, limit.id);
  }

  /** An id, or an empty text. */
  optionalId(field: string): string {
    if (this.#bytes[this.#at] !== 0) return this.id(field);
    this.#advance(field, 1);
    return "";
  }

  /** Printable UTF-8. */
  name(field: string): string {
    const length = this.#uint8(field);
    if (length === 0) throw invalidMessage(field, limit.name);
    return this.#printable(field, length, limit.name);
  }

  /** A topic, internal ones included; the grammar of topic.ts, on bytes. */
  topic(field: string): string {
    const length = this.#uint8(field);
    const at = this.#advance(field, length);
    const end = at + length;
    const bytes = this.#bytes;
    const recurring = recurringText(bytes, at, end);
    if (recurring !== undefined && isTopic(recurring, "internal")) return recurring;
    let tokens = 1;
    let begin = at;
    for (let index = at; index < end; index++) {
      const byte = bytes[index] as number;
      if (tokenClass[byte] === 1) continue;
      if (byte !== dot || index === begin) throw invalidMessage(field, limit.topic);
      tokens++;
      begin = index + 1;
    }
    if (begin === end || tokens > topicTokensMax) throw invalidMessage(field, limit.topic);
    return this.#ascii(at, end);
  }

  addressing(): Addressing {
    const start = this.#at;
    const known = readBefore(this.#bytes, start, this.#end);
    if (known !== undefined) {
      this.#at = start + known.bytes.length;
      return known;
    }
    const name = this.name("name");
    const agent = this.id("from.agent");
    const type = this.id("from.type");
    const from = { agent, type, instance: this.id("from.instance") };
    const to = this.recipients();
    return rememberRead({ name, from, to }, this.#bytes, start, this.#at);
  }

  recipients(): readonly Address[] {
    const count = this.#uint16("to");
    if (count > recipientsMax) throw invalidMessage("to", limit.to);
    const to: Address[] = [];
    for (let index = 0; index < count; index++) {
      const address = this.#ofClass("to", idClass, addressBytesMax, limit.address);
      if (!isAddressOfIdClass(address)) throw invalidMessage("to", limit.address);
      to.push(address);
    }
    return to;
  }

  path(): readonly Ancestor[] {
    const count = this.#uint8("path");
    if (count > pathMax) throw invalidMessage("path", limit.path);
    const path: Ancestor[] = [];
    for (let index = 0; index < count; index++) {
      path.push({ agent: this.id("path.agent"), name: this.name("path.name") });
    }
    return path;
  }

  headers(): Readonly<Record<string, string>> {
    const count = this.#uint8("headers");
    if (count > headersMax) throw invalidMessage("headers", limit.headers);
    const headers: Record<string, string> = {};
    const begin = this.#at;
    for (let index = 0; index < count; index++) {
      const name = this.#ofClass("headers", headerNameClass, nameBytesMax, limit.headerName);
      if (name === "__proto__") throw invalidMessage("headers", limit.headerName);
      if (Object.hasOwn(headers, name)) throw invalidMessage(`headers.${name}`, limit.unique);
      const field = `headers.${name}`;
      headers[name] = this.#printable(field, this.#uint16(field), limit.headerValue);
    }
    // Three bytes of each pair are lengths.
    if (this.#at - begin - 3 * count > headersBytesMax) {
      throw tooLarge("headers", headersBytesMax, "bytes", this.#at - begin - 3 * count);
    }
    return headers;
  }

  #ofClass(field: string, characterClass: CharacterClass, max: number, expected: string): string {
    const length = this.#uint8(field);
    if (length === 0 || length > max) throw invalidMessage(field, expected);
    const at = this.#advance(field, length);
    const end = at + length;
    const bytes = this.#bytes;
    for (let index = at; index < end; index++) {
      if (characterClass[bytes[index] as number] !== 1) throw invalidMessage(field, expected);
    }
    return this.#ascii(at, end);
  }

  #printable(field: string, length: number, expected: string): string {
    const at = this.#advance(field, length);
    const end = at + length;
    const bytes = this.#bytes;
    for (let index = at; index < end; index++) {
      if (printableClass[bytes[index] as number] === 1) continue;
      const text = decodeUtf8(field, bytes, at, end);
      if (!isPrintable(text)) throw invalidMessage(field, expected);
      return text;
    }
    return this.#ascii(at, end);
  }

  #ascii(at: number, end: number): string {
    const bytes = this.#bytes;
    const start = this.#start;
    if (!this.#hasText || end - start > sharedTextBytesMax) {
      this.#hasText = true;
      return textOfBytes(bytes, at, end);
    }
    this.#text ??= textOfBytes(bytes, start, Math.min(this.#end, start + sharedTextBytesMax));
    return this.#text.substring(at - start, end - start);
  }

  #uint8(field: string): number {
    return this.#bytes[this.#advance(field, 1)] as number;
  }

  #uint16(field: string): number {
    const at = this.#advance(field, 2);
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number);
  }

  /** @returns where the next `count` bytes begin. */
  #advance(field: string, count: number): number {
    const at = this.#at;
    const left = this.#end - at;
    if (count > left) throw invalidMessage(field, `${count} more bytes of header`);
    this.#at = at + count;
    return at;
  }
}
