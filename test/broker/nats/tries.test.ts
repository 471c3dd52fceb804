import { expect, test } from "vitest";
import { type TriedLink, Tries, tryAgain } from "../../../src/broker/nats/tries.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const busy = new ColloquyError("AGENT_UNREACHABLE", "no leader");
const lost = new ColloquyError("INDETERMINATE", "lost");
const other = new ColloquyError("CONFLICT", "other");

function link(isReady = true): TriedLink & { readonly clock: VirtualClock } {
  const random = { uint32: () => 0, float: () => 0.5 };
  return { clock: new VirtualClock(), random, isReady, whenReady: async () => {} };
}

test("what nobody took is tried again, in waits that grow, and not for ever", () => {
  const tries = new Tries(link(), { forMs: 60_000, maySendAgain: false });
  const waits = Array.from({ length: 12 }, () => tries.delayMs(busy));
  expect(waits).toEqual([20, 40, 80, 160, 320, 500, 500, 500, 500, 500, 500, undefined]);
  expect(tries.mayHaveHappened).toBe(false);
});

test("what may have happened is tried again only where that does nothing twice", () => {
  expect(new Tries(link(), { forMs: 1, maySendAgain: false }).delayMs(lost)).toBeUndefined();
  const tries = new Tries(link(false), { forMs: 60_000, maySendAgain: true });
  for (let round = 0; round < 50; round++) expect(tries.delayMs(lost)).toBe(0);
  expect(tries.mayHaveHappened).toBe(true);
  const silent = new Tries(link(true), { forMs: 60_000, maySendAgain: true });
  expect([silent.delayMs(lost), silent.delayMs(lost)]).toEqual([0, undefined]);
});

test("nothing is tried when its time is over, or for another reason", async () => {
  const tried = link();
  const tries = new Tries(tried, { forMs: 100, maySendAgain: true });
  expect(tries.delayMs(other)).toBeUndefined();
  await tried.clock.advance(100);
  expect(tries.delayMs(busy)).toBeUndefined();
});

test("a call is made until it succeeds", async () => {
  const tried = link(false);
  const errors = [lost, busy, lost];
  const call = async () => {
    const error = errors.shift();
    if (error !== undefined) throw error;
    return "done";
  };
  expect(await tried.clock.until(tryAgain(tried, undefined, call))).toBe("done");
  await expect(tryAgain(tried, undefined, () => Promise.reject(other))).rejects.toBe(other);
});
