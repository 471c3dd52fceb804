import { expect, test } from "vitest";
import { ReplyRing } from "../../../src/exchange/requests/reply-ring.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const frame = (bytes: number, mark = 7) => new Uint8Array(bytes).fill(mark);

test("a reply is found for thirty seconds, and the ring says back to when none is missing", async () => {
  const clock = new VirtualClock();
  const ring = new ReplyRing(clock);
  ring.add("a", frame(100, 1));
  await clock.advance(10_000);
  ring.add("b", frame(100, 2));
  expect(ring.find("a")).toEqual(frame(100, 1));
  expect(ring.completeForMs()).toBe(Number.POSITIVE_INFINITY);
  await clock.advance(20_001);
  ring.add("c", frame(100, 3));
  expect(ring.find("a")).toBeUndefined();
  expect(ring.find("b")).toEqual(frame(100, 2));
  expect(ring.completeForMs()).toBe(30_001);
});

test("eight mebibytes of replies and their ids are kept at most, the youngest", () => {
  const ring = new ReplyRing(new VirtualClock());
  for (let n = 0; n < 20; n++) ring.add(`r${n + 10}`, frame(2 ** 20 - 3));
  const kept = Array.from({ length: 20 }, (_, n) => n).filter((n) => ring.find(`r${n + 10}`));
  expect(kept).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
});

test("whatever their sizes, the youngest replies are found as they were, and no older one", () => {
  const random = new SeededRandom(17);
  const ring = new ReplyRing(new VirtualClock());
  const sizes = Array.from({ length: 3_000 }, () => Math.floor(random.float() ** 8 * 2 ** 20));
  sizes.forEach((size, n) => {
    ring.add(`${n}`, frame(size, n % 251));
  });
  const found = sizes.map((_, n) => ring.find(`${n}`));
  const first = found.findIndex((reply) => reply !== undefined);
  expect(first).toBeGreaterThan(0);
  for (const [n, reply] of found.entries()) {
    const size = sizes[n] as number;
    const whole = reply?.length === size && reply.every((byte) => byte === n % 251);
    expect(whole, `reply ${n}`).toBe(n >= first);
  }
  const keptBytes = sizes.slice(first).reduce((sum, size) => sum + size, 0);
  expect(keptBytes).toBeLessThanOrEqual(8 * 2 ** 20);
  expect(keptBytes).toBeGreaterThan(6 * 2 ** 20);
});
