/**
 * How many columns of a terminal a text takes. Counted by what a person sees as one character, however
 * many code points it has: 2 for an ideograph, a kana, a syllable of Hangul or an emoji, else mostly 1.
 *
 * @see Unicode Standard Annex #11, East Asian Width (Wide and Fullwidth take 2), and #29 for characters.
 */

export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += widthOfCharacter(segment);
  return width;
}

/** As much of the beginning as fits, with "…" at its end where something is missing. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let left = Math.max(0, width - 1);
  let end = 0;
  for (const { segment } of characters.segment(text)) {
    left -= widthOfCharacter(segment);
    if (left < 0) break;
    end += segment.length;
  }
  return `${text.slice(0, end)}…`;
}

const characters = new Intl.Segmenter("en", { granularity: "grapheme" });
const plain = /^[ -~]*$/;

/** Marks over or below what they follow, and what shows nothing at all. */
const unseen = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** Wide and Fullwidth of East Asian Width, less the emoji. */
const eastAsian =
  /[\u1100-\u115f\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\u33ff\u3400-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d376}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;
const emoji = /\p{Emoji_Presentation}/u;
/** With what shows it as one where it would be a sign. */
const shownAsEmoji = /\p{Emoji}\ufe0f/u;

/** Several emoji joined are drawn as one, and what else is joined is drawn side by side. */
function widthOfCharacter(character: string): number {
  if (shownAsEmoji.test(character)) return 2;
  let width = 0;
  for (const point of character) {
    if (eastAsian.test(point) || emoji.test(point)) return 2;
    if (!unseen.test(point)) width++;
  }
  return Math.min(2, width);
}
