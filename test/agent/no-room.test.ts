/** Commands whose end cannot be written for want of room: they end when there is some. */
import { join } from "colloquy";
import { expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("G8: a command that dies while the dead letters are full is one of them once there is room", async () => {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock, limits: { deadLettersMax: 1 } });
  const net = await clock.until(join({ broker, clock, drainOnSignals: false }));
  const agent = await clock.until(net.agent("a"));
  agent.handle("DOOMED", () => Promise.reject(new Error("never")), { retry: { attemptsMax: 1 } });
  await clock.until(agent.ready());
  const receipts = await clock.until(
    Promise.all([agent.send("agent:a", "DOOMED", 1), agent.send("agent:a", "DOOMED", 2)]),
  );
  await clock.advance(60_000);
  const states = async () =>
    (await clock.until(Promise.all(receipts.map((receipt) => receipt.state())))).map(
      ({ state }) => state,
    );
  expect((await states()).toSorted()).toEqual(["dead", "offered"]);
  const letter = await clock.until(net.dead.list().next());
  expect(await clock.until(net.dead.purge(letter.value?.id ?? 0))).toBe(1);
  await clock.advance(10_000);
  expect(await states()).toEqual(["dead", "dead"]);
  await clock.until(net.close());
});
