import { type Broker, join } from "colloquy";
import { expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { ColloquyError } from "../../src/errors.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

/** A broker of which `receive` is another. */
function receivingBy(inner: Broker, receive: Broker["queues"]["receive"]): Broker {
  const of = <Target extends object>(target: Target, own: Partial<Target>): Target =>
    new Proxy(target, {
      get(_target, key) {
        const value = key in own ? own[key as keyof Target] : target[key as keyof Target];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  return of(inner, { queues: of(inner.queues, { receive }) });
}

test("a mailbox whose receiving fails is reported each time, and worked again after a pause", async () => {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  let failing = true;
  let begun = 0;
  const inner = openMemoryBroker({ clock });
  const broker = receivingBy(inner, (queue, options, signal) => {
    begun++;
    if (failing) throw new ColloquyError("STORE_FAILED", "the store failed");
    return inner.queues.receive(queue, options, signal);
  });
  const onError = (error: unknown) => errors.push(error);
  const random = new SeededRandom(2);
  const net = await clock.until(join({ broker, clock, random, drainOnSignals: false, onError }));
  const agent = await clock.until(net.agent("a"));
  agent.handle("work", () => "done");
  await clock.until(agent.ready());
  await clock.advance(300_000);
  const mailboxes = 2;
  const before = begun;
  expect(errors).toHaveLength(before);
  expect(errors[0]).toMatchObject({ code: "STORE_FAILED" });
  expect(before, "again and again").toBeGreaterThan(5 * mailboxes);
  expect(before, "with longer and longer pauses").toBeLessThan(100 * mailboxes);

  failing = false;
  const receipt = await clock.until(agent.send("agent:a", "work"));
  expect(await clock.until(receipt.settled())).toEqual({ state: "done", result: "done" });
  const worked = begun;
  await clock.advance(300_000);
  expect(begun, "worked once, not twice").toBeLessThanOrEqual(worked + 1);
  await clock.until(net.close());
});

test("an agent that closes while a mailbox cannot be received from waits for no pause", async () => {
  const clock = new VirtualClock();
  let begun = 0;
  const broker = receivingBy(openMemoryBroker({ clock }), () => {
    begun++;
    throw new ColloquyError("STORE_FAILED", "the store failed");
  });
  const net = await clock.until(
    join({ broker, clock, drainOnSignals: false, onError: () => undefined }),
  );
  const agent = await clock.until(net.agent("a"));
  agent.handle("work", () => "done");
  await clock.until(agent.ready());
  await clock.advance(60_000);
  await clock.until(agent.close());
  const before = begun;
  await clock.advance(300_000);
  expect(begun).toBe(before);
  await clock.until(net.close());
});
