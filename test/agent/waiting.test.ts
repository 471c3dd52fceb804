import { expect, test } from "vitest";
import { Waiting } from "../../src/agent/waiting.ts";
import type { Work } from "../../src/exchange/work.ts";

const work = (lane: number) => ({ lane, outcome: "not-started" }) as Work;

test("G5: under saturation the classes are served 8:4:2:1, and none starves", () => {
  const waiting = new Waiting(10_000);
  const served = [0, 0, 0, 0];
  for (let lane = 0; lane < 4; lane++) {
    for (let n = 0; n < 1_000; n++) waiting.push(work(lane));
  }
  for (let n = 0; n < 1_500; n++) {
    const lane = waiting.shift()?.lane ?? 0;
    served[lane] = (served[lane] ?? 0) + 1;
    waiting.push(work(lane));
  }
  expect(served).toEqual([800, 400, 200, 100]);
});

test("a class without work gives its turns to the others, in order of arrival within each", () => {
  const waiting = new Waiting(10);
  const [a, b, c] = [work(3), work(3), work(2)];
  for (const each of [a, b, c]) waiting.push(each);
  const order = [waiting.shift(), waiting.shift(), waiting.shift()];
  expect(order.filter((each) => each?.lane === 3)).toEqual([a, b]);
  expect(order).toContain(c);
  expect(waiting.shift()).toBeUndefined();
});

test("what is beyond the limit is not taken", () => {
  const waiting = new Waiting(2);
  expect([1, 2, 3].map((lane) => waiting.push(work(lane)))).toEqual([true, true, false]);
  expect(waiting.size).toBe(2);
});
