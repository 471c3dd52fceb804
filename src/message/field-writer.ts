/** Writes the fields of an envelope, refusing what a reader would refuse. */
import { isAddress } from "./address.ts";
import type { ByteWriter } from "./byte-writer.ts";
import {
  type CharacterClass,
  headerNameClass,
  idClass,
  isPrintable,
  printableClass,
} from "./characters.ts";
import type { Ancestor, Sender } from "./envelope.ts";
import { limit } from "./envelope-fields.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import {
  headersBytesMax,
  headersMax,
  idCharactersMax,
  nameBytesMax,
  pathMax,
  recipientsMax,
} from "./limits.ts";
import { utf8Length } from "./text.ts";
import { isTopic } from "./topic.ts";

export function writeNumber(writer: ByteWriter, field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw invalidMessage(field, limit.number);
  writer.uint53(value);
}

export function writeId(writer: ByteWriter, field: string, value: string): void {
  if (!writeClass(writer, value, idClass, idCharactersMax)) throw invalidMessage(field, limit.id);
}

export function writeName(writer: ByteWriter, field: string, value: string): void {
  if (writeClass(writer, value, printableClass, nameBytesMax)) return;
  const fits = typeof value === "string" && value.length > 0 && value.length <= nameBytesMax;
  if (!fits || !isPrintable(value) || utf8Length(value) > nameBytesMax) {
    throw invalidMessage(field, limit.name);
  }
  writer.text8(value);
}

export function writeTopic(writer: ByteWriter, field: string, value: string): void {
  if (!isTopic(value, "internal")) throw invalidMessage(field, limit.topic);
  writer.text8(value);
}

export function writeSender(writer: ByteWriter, sender: Sender): void {
  writeId(writer, "from.agent", sender.agent);
  writeId(writer, "from.type", sender.type);
  writeId(writer, "from.instance", sender.instance);
}

export function writeRecipients(writer: ByteWriter, to: readonly string[]): void {
  if (to.length > recipientsMax) throw invalidMessage("to", limit.to);
  writer.uint16(to.length);
  for (const address of to) {
    if (!isAddress(address)) throw invalidMessage("to", limit.address);
    writer.text8(address);
  }
}

export function writePath(writer: ByteWriter, path: readonly Ancestor[]): void {
  if (path.length > pathMax) throw invalidMessage("path", limit.path);
  writer.uint8(path.length);
  for (const { agent, name } of path) {
    writeId(writer, "path.agent", agent);
    writeName(writer, "path.name", name);
  }
}

export function writeHeaders(writer: ByteWriter, headers: Readonly<Record<string, string>>): void {
  const names = Object.keys(headers);
  if (names.length > headersMax) throw invalidMessage("headers", limit.headers);
  writer.uint8(names.length);
  let bytes = 0;
  for (const name of names) {
    if (name === "__proto__" || !writeClass(writer, name, headerNameClass, nameBytesMax)) {
      throw invalidMessage("headers", limit.headerName);
    }
    const value = headers[name];
    if (typeof value !== "string" || !isPrintable(value)) {
      throw invalidMessage(`headers.${name}`, limit.headerValue);
    }
    // More would not fit the length that goes before it.
    if (value.length > headersBytesMax) throw tooLarge("headers", headersBytesMax, "bytes");
    bytes += name.length + writer.text16(value);
    if (bytes > headersBytesMax) throw tooLarge("headers", headersBytesMax, "bytes");
  }
}

/** @returns false, with nothing written, when the text is not 1 to `charactersMax` characters of the class. */
function writeClass(
  writer: ByteWriter,
  text: string,
  characterClass: CharacterClass,
  charactersMax: number,
): boolean {
  if (typeof text !== "string" || text.length === 0 || text.length > charactersMax) return false;
  return writer.textOfClass8(text, characterClass);
}
