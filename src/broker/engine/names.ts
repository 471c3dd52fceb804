/** Text in the order of its UTF-8 bytes, which is the order of its code points. */

/**
 * JavaScript compares UTF-16 code units, in which a character beyond U+FFFF (a pair of surrogates,
 * 0xD800-0xDFFF) sorts before one from U+E000 on. Everything else agrees.
 *
 * @returns negative, 0 or positive, as `a` is before, equal to or after `b`.
 */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Moves the surrogates behind the rest. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
