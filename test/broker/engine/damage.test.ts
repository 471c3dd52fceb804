import { expect, test } from "vitest";
import { laneKey, returnedKey } from "../../../src/broker/engine/returned.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { message, Rig, settlement } from "./rig.ts";

/** Lets every reading of one row fail, as a storage does whose checksum does not match. */
function damage(rig: Rig, table: string, a: number): void {
  const { storage } = rig;
  const refuse = (readTable: string, readA: number, lastA: number = readA) => {
    if (readTable !== table || readA > a || lastA < a) return;
    throw new ColloquyError("STORE_FAILED", `${table}: a row is damaged`);
  };
  const { read, scan, floor } = storage;
  storage.read = (...args) => {
    refuse(args[0], args[1]);
    return read.apply(storage, args);
  };
  storage.scan = (...args) => {
    refuse(args[0], args[1], args[3]);
    return scan.apply(storage, args);
  };
  storage.floor = (...args) => {
    refuse(args[0], args[1]);
    return floor.apply(storage, args);
  };
}

const failed = { code: "STORE_FAILED" };

test("G20: those who receive from a queue with a damaged page are told; other queues go on", async () => {
  const rig = await Rig.with(["damaged", "sound"]);
  await rig.enqueue("damaged", message("a"));
  await rig.enqueue("sound", message("b"));
  damage(rig, "page", laneKey(1, 2));
  const reader = rig.receive("damaged");
  const other = rig.receive("sound");
  expect(await other.texts()).toEqual(["b"]);
  expect(reader.end).toMatchObject({ error: failed });
  await expect(rig.run(rig.broker.queues.track("damaged", 1))).rejects.toMatchObject(failed);
  await rig.enqueue("sound", message("c"));
  expect(await other.texts()).toEqual(["c"]);
});

test("G20: a claim that meets a damaged row is no claim, and its receiver is told", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const [held] = await rig.receive("work").take();
  if (held === undefined) throw new Error("nothing was offered");
  rig.crash();
  damage(rig, "later", returnedKey(1, 2));
  const claimer = rig.receive("work", { claims: [held] });
  await rig.clock.settle();
  expect(claimer.end).toMatchObject({ error: failed });
  expect(await rig.run(rig.broker.queues.settle([settlement(held)]))).toMatchObject([
    { kind: "refused", error: failed },
  ]);
});

test("G20: an engine that cannot read what is due ends, because it would be late without knowing", async () => {
  const rig = await Rig.with(["work"], { timersMax: 1 });
  for (const delayMs of [1_000, 2_000, 3_000, 4_000]) {
    await rig.enqueue("work", message("a", { notBeforeMs: rig.clock.nowMs() + delayMs }));
  }
  damage(rig, "later", rig.clock.nowMs() + 4_000);
  await rig.clock.advance(5_000);
  expect(await rig.engine.failed).toMatchObject(failed);
  await expect(rig.run(rig.broker.queues.mailboxes())).rejects.toMatchObject(failed);
});

test("a listener that throws keeps nobody else from what was committed", async () => {
  const rig = await Rig.with(["work"]);
  const { signal } = new AbortController();
  const reader = rig.receive("work");
  const listen = () => {
    throw new Error("a listener's mistake");
  };
  await rig.run(rig.engine.connect().topics.subscribe("news", listen, signal));
  await rig.enqueue("work", message("a"));
  const [delivery] = await reader.take();
  if (delivery === undefined) throw new Error("nothing was offered");
  const frame = new Uint8Array(1);
  const effects = [{ kind: "publish", topic: "news", frame }] as const;
  const settled = rig.broker.queues.settle([settlement(delivery, { kind: "done" }, { effects })]);
  const stored = rig.broker.queues.enqueue("work", [message("b")]);
  await expect(rig.clock.settle()).rejects.toThrow("a listener's mistake");
  expect(await settled).toEqual([{ kind: "settled" }]);
  expect(await stored).toMatchObject([{ kind: "stored" }]);
  expect(await reader.texts()).toEqual(["b"]);
});
