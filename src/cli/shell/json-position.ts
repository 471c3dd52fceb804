/** Where a text stops being JSON: engines do not always say. */

const blank = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const word = /true|false|null/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON does not allow them in strings.
const stringPart = /(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

class Wrong {
  readonly at: number;

  constructor(at: number) {
    this.at = at;
  }
}

/** @returns the index of the first character that cannot be there; its length where the text ends too early. */
export function jsonErrorPosition(text: string): number {
  try {
    return afterBlank(text, valueEnd(text, 0));
  } catch (error) {
    return error instanceof Wrong ? error.at : text.length;
  }
}

function valueEnd(text: string, from: number): number {
  const at = afterBlank(text, from);
  switch (text[at]) {
    case "{":
      return listEnd(text, at, "}", (member) => {
        const key = afterBlank(text, member);
        if (text[key] !== '"') throw new Wrong(key);
        return valueEnd(text, expect(text, stringEnd(text, key), ":"));
      });
    case "[":
      return listEnd(text, at, "]", (item) => valueEnd(text, item));
    case '"':
      return stringEnd(text, at);
    default: {
      const end = match(number, text, at) ?? match(word, text, at);
      if (end === undefined) throw new Wrong(at);
      return end;
    }
  }
}

function listEnd(
  text: string,
  open: number,
  close: string,
  partEnd: (from: number) => number,
): number {
  let at = afterBlank(text, open + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    at = afterBlank(text, partEnd(at));
    if (text[at] === close) return at + 1;
    at = expect(text, at, ",");
  }
}

function stringEnd(text: string, open: number): number {
  const end = match(stringPart, text, open + 1) ?? open + 1;
  if (text[end] !== '"') throw new Wrong(end);
  return end + 1;
}

function expect(text: string, from: number, character: string): number {
  const at = afterBlank(text, from);
  if (text[at] !== character) throw new Wrong(at);
  return at + 1;
}

function afterBlank(text: string, at: number): number {
  return match(blank, text, at) ?? at;
}

function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
