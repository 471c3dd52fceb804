import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { sha256 } from "../../src/runtime/sha256.ts";

test("digests are those of Node, around every edge of a block", () => {
  for (let length = 0; length < 200; length++) {
    const bytes = new Uint8Array(length).map((_byte, index) => (index * 37 + length) % 256);
    const expected = createHash("sha256").update(bytes).digest();
    const words = Array.from({ length: 8 }, (_word, index) => expected.readUInt32BE(4 * index));
    expect([...sha256(bytes)]).toEqual(words);
  }
});
