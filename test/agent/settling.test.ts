import { join } from "colloquy";
import { expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { type FaultRates, faultyBroker } from "../../src/testing/faulty-broker.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

async function settleUnder(rates: FaultRates, count: number) {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  let present: FaultRates = {};
  const broker = faultyBroker(openMemoryBroker({ clock }), {
    clock,
    random: new SeededRandom(7),
    rates: () => present,
  });
  const onError = (error: unknown) => errors.push(error);
  const net = await clock.until(join({ broker, clock, drainOnSignals: false, onError }));
  const agent = await clock.until(net.agent("worker"));
  const handled: unknown[] = [];
  agent.handle("WORK", (input, { log }) => {
    handled.push(input);
    log.append("ledger", input);
    return input;
  });
  await clock.until(agent.ready());
  const numbers = Array.from({ length: count }, (_, n) => n);
  const receipts = await clock.until(
    Promise.all(
      numbers.map((n) => agent.send("agent:worker", "WORK", n, { deliverAt: clock.nowMs() + 100 })),
    ),
  );
  present = rates;
  await clock.advance(60_000);
  present = {};
  const outcomes = await clock.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  const ledger: unknown[] = [];
  const read = (async () => {
    for await (const { value } of net.log.read("ledger")) ledger.push(value);
  })();
  await clock.until(read);
  const { stale } = net.counters;
  await clock.until(net.close());
  return { numbers, handled, outcomes, ledger, stale, errors };
}

const sorted = (values: readonly unknown[]) => (values as number[]).toSorted((a, b) => a - b);

for (const [what, rates] of [
  ["never reached the broker", { lostCall: 0.7 }],
  ["had its answer lost", { lostAnswer: 0.7 }],
  ["had either", { lostCall: 0.4, lostAnswer: 0.4 }],
] as const) {
  test(`a settlement that ${what} is repeated until it is answered, and counts once`, async () => {
    const { numbers, handled, outcomes, ledger, stale } = await settleUnder(rates, 50);
    expect(outcomes).toEqual(numbers.map((result) => ({ state: "done", result })));
    expect(sorted(handled), "started once").toEqual(numbers);
    expect(sorted(ledger), "with one effect").toEqual(numbers);
    expect(stale, "its own repetition is nobody's later attempt").toBe(0);
  });
}
