import { expect, test } from "vitest";
import { Foretold } from "../../src/exchange/foretold.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("what was said is complete only as far back as nothing of it was forgotten", async () => {
  const clock = new VirtualClock();
  const foretold = new Foretold(clock);
  expect(foretold.completeForMs()).toBe(Number.POSITIVE_INFINITY);
  foretold.say("a", "cancelled-at-work");
  await clock.advance(31_000);
  foretold.say("b", "cancelled");
  expect(foretold.get("a")).toBeUndefined();
  expect(foretold.completeForMs()).toBe(31_000);
});
