/** Which bytes may stand where. All text of an envelope is in one of these classes. */

/** One entry per byte; 1 where the byte belongs to the class. */
export type CharacterClass = Uint8Array;

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Ids: letters and digits of ASCII, and `.` `_` `-` `/` `:` `@`. No character needs quoting in a URL path, a shell or a log line. */
export const idClass: CharacterClass = classOf(`${alphanumeric}._-/:@`);

/** A token of a topic: an id without dots. */
export const tokenClass: CharacterClass = classOf(`${alphanumeric}_-/:@`);

/** ASCII without control characters: what needs no second look in a text. Everything above is checked as UTF-8. */
export const printableClass: CharacterClass = printable();

/** The name of a header. @see RFC 9110, section 5.6.2, token. */
export const headerNameClass: CharacterClass = classOf(`${alphanumeric}!#$%&'*+-.^_\`|~`);

/** For errors: what a class allows, in words. */
export const idCharacters = "ASCII letters, digits and . _ - / : @";
export const tokenCharacters = "ASCII letters, digits and _ - / : @";
export const printableCharacters = "UTF-8 without control characters";

/** True when `text` has 1 to `charactersMax` characters, all of the class. */
export function isOfClass(
  text: string,
  characterClass: CharacterClass,
  charactersMax: number,
): boolean {
  const { length } = text;
  if (length === 0 || length > charactersMax) return false;
  for (let index = 0; index < length; index++) {
    if (characterClass[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}

/** True for well-formed text without control characters. Empty text is. */
export function isPrintable(text: string): boolean {
  return !control.test(text) && text.isWellFormed();
}

/** C0, DEL and C1. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const control = /[\u0000-\u001f\u007f-\u009f]/;

function classOf(characters: string): CharacterClass {
  const members = new Uint8Array(256);
  for (const character of characters) members[character.charCodeAt(0)] = 1;
  return members;
}

function printable(): CharacterClass {
  const members = new Uint8Array(256);
  members.fill(1, 0x20, 0x7f);
  return members;
}
