import { expect, test } from "vitest";
import type { DeadLetter } from "../../../src/broker/broker.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { collect, message, type Reader, Rig } from "./rig.ts";

const never = new AbortController().signal;

async function deadLetters(rig: Rig): Promise<readonly DeadLetter[]> {
  return await rig.run(collect(rig.broker.queues.deadLetters({}, never)));
}

/** The grace after an opening is over, and what may be offered has been. */
async function offered(rig: Rig, reader: Reader) {
  await rig.clock.advance(1_100);
  return reader.take();
}

test("a message with which the process that holds the queue dies each time is dead after three deaths", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("poison"));
  for (let death = 1; death <= 3; death++) {
    const [delivery] = await offered(rig, rig.receive("work"));
    expect(delivery, `offered before death ${death}`).toBeDefined();
    rig.crash();
  }
  const reader = rig.receive("work");
  expect(await offered(rig, reader)).toEqual([]);
  const [letter] = await deadLetters(rig);
  expect(letter).toMatchObject({
    error: { code: "AGENT_UNREACHABLE", details: { limit: "crashesMax" } },
    attempts: { crashes: 3 },
  });
  expect(letter?.history.length).toBe(2);
});

test("what only waited when the process died is not counted against", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("held"), message("waits"));
  for (let death = 1; death <= 3; death++) {
    await offered(rig, rig.receive("work", { credit: 1 }));
    rig.crash();
  }
  await rig.clock.advance(1_100);
  const [letter] = await deadLetters(rig);
  expect(letter).toMatchObject({ position: 1 });
  const [next] = await offered(rig, rig.receive("work", { credit: 1 }));
  expect(next).toMatchObject({ position: 2, attempts: { crashes: 0 } });
});

test("what was claimed after a death is not counted against", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("long"));
  let [delivery] = await offered(rig, rig.receive("work"));
  for (let death = 1; death <= 5; death++) {
    if (delivery === undefined) throw new Error("not offered");
    rig.crash();
    const reader = rig.receive("work", { claims: [delivery] });
    expect(await offered(rig, reader)).toEqual([]);
    if (death !== 3) continue;
    // From here on it is written down before it is offered.
    await reader.stop(new ColloquyError("AGENT_UNREACHABLE", "gone"));
    [delivery] = await offered(rig, rig.receive("work"));
    expect(delivery?.attempts).toEqual({ failures: 0, pickups: 0, crashes: 1 });
  }
  expect(await deadLetters(rig)).toEqual([]);
});

test("what came back before the process died is not counted against", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("tries"));
  await offered(rig, rig.receive("work"));
  rig.crash();
  const reader = rig.receive("work");
  await rig.clock.advance(1_100);
  const error = new ColloquyError("HANDLER_FAILED", "no").toJSON();
  await reader.settle({ kind: "retry", delayMs: 60_000, error });
  rig.crash();
  await rig.clock.advance(70_000);
  const [again] = await rig.receive("work").take();
  expect(again?.attempts).toEqual({ failures: 1, pickups: 0, crashes: 0 });
});

test("an orderly end in between is forgotten nothing for, and counted nothing for", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  await offered(rig, rig.receive("work"));
  rig.crash();
  await offered(rig, rig.receive("work"));
  await rig.restart();
  rig.crash();
  const [delivery] = await offered(rig, rig.receive("work"));
  expect(delivery?.attempts.crashes).toBe(0);
});
