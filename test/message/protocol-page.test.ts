import { expect, test } from "vitest";
import { frameTypes } from "../../src/message/frame.ts";
import { read } from "../support/repository.ts";

test("docs/protocol.md names every type of frame with its number, and no other", () => {
  const rows = [...read("docs/protocol.md").matchAll(/^\| (\d+) \| ([A-Z]+) \|/gm)];
  const named = rows.map(([, number, name]) => [name, Number(number)]);
  expect(Object.fromEntries(named)).toEqual(frameTypes);
  expect(named).toHaveLength(Object.keys(frameTypes).length);
});
