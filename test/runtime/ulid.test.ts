import { expect, test } from "vitest";
import { SeededRandom } from "../../src/runtime/random.ts";
import { ulidSource } from "../../src/runtime/ulid.ts";
import { fc } from "../support/properties.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

test("an id begins with its time, to the millisecond, and goes on differently each time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.nat(), (nowMs, seed) => {
      const newId = ulidSource({ nowMs: () => nowMs }, new SeededRandom(seed));
      const [first, second] = [newId(), newId()];
      expect(first).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
      const digits = [...first.slice(0, 10)].map((it) => alphabet.indexOf(it));
      expect(digits.reduce((time, digit) => time * 32 + digit, 0)).toBe(nowMs);
      expect(second.slice(0, 10)).toBe(first.slice(0, 10));
      expect(second.slice(10)).not.toBe(first.slice(10));
    }),
  );
});

test("ids are stamped anew when the millisecond changes", () => {
  let nowMs = 1_763_640_000_000;
  const newId = ulidSource({ nowMs: () => nowMs }, new SeededRandom(1));
  const before = newId();
  nowMs++;
  expect(newId() > before).toBe(true);
});

test("every place of the random part takes every character", () => {
  const newId = ulidSource({ nowMs: () => 0 }, new SeededRandom(2));
  const seen = Array.from({ length: 16 }, () => new Set<string>());
  for (let count = 0; count < 2_000; count++) {
    for (const [place, character] of [...newId().slice(10)].entries()) seen[place]?.add(character);
  }
  expect(seen.map((characters) => characters.size)).toEqual(new Array(16).fill(32));
});
