import { expect, test } from "vitest";
import { ReplyRing } from "../../src/exchange/reply-ring.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const reply = (id: string, bytes = 100) => ({ id, topic: "t", frame: new Uint8Array(bytes) });

test("a reply is found for thirty seconds, and the ring says back to when none is missing", async () => {
  const clock = new VirtualClock();
  const ring = new ReplyRing(clock);
  ring.add(reply("a"));
  await clock.advance(10_000);
  ring.add(reply("b"));
  expect(ring.find("a")?.id).toBe("a");
  expect(ring.completeForMs()).toBe(Number.POSITIVE_INFINITY);
  await clock.advance(20_001);
  ring.add(reply("c"));
  expect(ring.find("a")).toBeUndefined();
  expect(ring.find("b")?.id).toBe("b");
  expect(ring.completeForMs()).toBe(30_001);
});

test("eight mebibytes of replies are kept at most, the youngest", () => {
  const ring = new ReplyRing(new VirtualClock());
  for (let n = 0; n < 20; n++) ring.add(reply(`r${n}`, 2 ** 20));
  const kept = Array.from({ length: 20 }, (_, n) => n).filter((n) => ring.find(`r${n}`));
  expect(kept).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
});
