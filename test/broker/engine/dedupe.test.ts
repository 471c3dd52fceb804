import { expect, test } from "vitest";
import type { QueuedMessage } from "../../../src/broker/broker.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { ulidSource } from "../../../src/runtime/ulid.ts";
import { message, Rig } from "./rig.ts";

const day = 86_400_000;

function once(id: string): QueuedMessage {
  return message(id, { id, guarantee: "exactly-once" });
}

test("G3: an exactly-once id is stored once within one group, across groups and across crashes", async () => {
  const rig = await Rig.with(["work", "other"]);
  const first = { kind: "stored", position: 1, duplicate: false };
  const again = { kind: "stored", position: 1, duplicate: true };
  expect(await rig.enqueue("work", once("a"), once("a"))).toEqual([first, again]);
  expect(await rig.enqueue("work", once("a"))).toEqual([again]);
  rig.crash();
  expect(await rig.enqueue("work", once("a"))).toEqual([again]);
  expect(await rig.enqueue("other", once("a")), "ids are the queue's").toEqual([first]);
});

test("G3: it stays a duplicate after it was settled", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", once("a"));
  const reader = rig.receive("work");
  await reader.settle();
  await rig.restart();
  expect(await rig.enqueue("work", once("a"))).toMatchObject([{ duplicate: true, position: 1 }]);
  expect(await rig.receive("work").take()).toEqual([]);
});

test("ids are forgotten after the horizon, in memory and in storage", async () => {
  const rig = await Rig.with(["work"], { dedupeHorizonMs: 10_000 });
  for (let index = 0; index < 200; index++) {
    await rig.enqueue("work", once(`id ${index}`));
    await rig.clock.advance(10);
  }
  const markers = () => rig.memory.scan("marker", 0, 0, Number.MAX_SAFE_INTEGER, { rows: 1_000 });
  expect(markers().length).toBe(200);
  await rig.clock.advance(9_000);
  for (let group = 0; group < 8; group++) {
    await rig.enqueue("work", message("traffic"));
    await rig.clock.advance(1_000);
  }
  expect(markers().length).toBe(0);
  expect(await rig.enqueue("work", once("id 0"))).toMatchObject([{ duplicate: false }]);
});

test("an id that was forgotten by a restart and sent again is remembered for its own horizon", async () => {
  const rig = await Rig.with(["work"], { dedupeHorizonMs: 10_000 });
  await rig.enqueue("work", once("a"));
  rig.storage.lose();
  await rig.clock.advance(20_000);
  rig.crash();
  expect(await rig.enqueue("work", once("a"))).toMatchObject([{ duplicate: false, position: 2 }]);
  for (let group = 0; group < 3; group++) {
    await rig.clock.advance(1_001);
    await rig.enqueue("work", message("traffic"));
  }
  expect(await rig.enqueue("work", once("a"))).toMatchObject([{ duplicate: true, position: 2 }]);
});

test("when there are as many ids as may be, more are refused, and duplicates still recognised", async () => {
  const rig = await Rig.with(["work"], { dedupeIdsMax: 2 });
  expect(await rig.enqueue("work", once("a"), once("b"), once("c"), once("a"))).toMatchObject([
    { kind: "stored" },
    { kind: "stored" },
    { kind: "rejected", error: { code: "QUEUE_FULL", details: { limit: "dedupeIdsMax" } } },
    { kind: "stored", duplicate: true },
  ]);
  expect(await rig.enqueue("work", message("plain"))).toMatchObject([{ kind: "stored" }]);
});

test("100,000 ids of either shape are all recognised after a restart", async () => {
  const rig = await Rig.with(["work"]);
  const nextId = ulidSource(rig.clock, new SeededRandom(1));
  const batch = Array.from({ length: 100_000 }, (_, index) =>
    once(index % 2 === 0 ? nextId() : `order ${index}`),
  );
  const stored = await rig.enqueue("work", ...batch);
  expect(stored.every((outcome) => outcome.kind === "stored" && !outcome.duplicate)).toBe(true);
  await rig.restart();
  const again = await rig.enqueue("work", ...batch);
  const expected = stored.map((outcome) => ({ ...outcome, duplicate: true }));
  expect(again).toEqual(expected);
}, 60_000);

function sent(sequence: number, repeatsFrom = 1): QueuedMessage {
  return message(`${sequence}`, { origin: { incarnation: "life", sequence, repeatsFrom } });
}

test("G3: a repeated send of one incarnation and sequence has the position it had, whichever queue and crash", async () => {
  const rig = await Rig.with(["a", "b"]);
  const batch = [sent(1), sent(2), sent(2), sent(3)];
  const first = await rig.enqueue("a", ...batch);
  expect(first).toMatchObject([
    { position: 1, duplicate: false },
    { position: 2, duplicate: false },
    { position: 2, duplicate: true },
    { position: 3, duplicate: false },
  ]);
  await rig.enqueue("b", sent(4), sent(5));
  await rig.enqueue("a", message("between"), sent(6));
  for (const restart of [() => {}, () => rig.crash(), () => rig.restart()]) {
    await restart();
    expect(await rig.enqueue("a", sent(1), sent(2), sent(3), sent(6))).toMatchObject([
      { position: 1, duplicate: true },
      { position: 2, duplicate: true },
      { position: 3, duplicate: true },
      { position: 5, duplicate: true },
    ]);
    expect(await rig.enqueue("b", sent(4), sent(5))).toMatchObject([
      { position: 1, duplicate: true },
      { position: 2, duplicate: true },
    ]);
  }
});

test("what a sender has acknowledged is forgotten, and refused when it comes again", async () => {
  const rig = await Rig.with(["work"]);
  for (let sequence = 1; sequence <= 300; sequence++) {
    await rig.enqueue("work", sent(sequence, Math.max(1, sequence - 2)), message("another sender"));
  }
  const row = rig.memory.readNamed("producer", "life");
  expect(row?.length).toBeLessThan(150);
  expect(await rig.enqueue("work", sent(200, 290))).toMatchObject([
    { kind: "rejected", error: { code: "INVALID_MESSAGE", details: { field: "origin" } } },
  ]);
});

test("a sequence that was refused may be sent again", async () => {
  const rig = await Rig.with(["work"], { queueMessagesMax: 1 });
  expect(await rig.enqueue("work", sent(1), sent(2), sent(3))).toMatchObject([
    { kind: "stored" },
    { kind: "rejected", error: { code: "QUEUE_FULL", details: { limit: "queueMessagesMax" } } },
    { kind: "rejected" },
  ]);
  await rig.receive("work").settle();
  expect(await rig.enqueue("work", sent(2))).toMatchObject([
    { kind: "stored", position: 2, duplicate: false },
  ]);
});

test("senders that have been silent for a day are forgotten, and their number is limited", async () => {
  const rig = await Rig.with(["work"], { producersMax: 2 });
  const from = (incarnation: string) =>
    message("", { origin: { incarnation, sequence: 1, repeatsFrom: 1 } });
  await rig.enqueue("work", from("a"), from("b"));
  const refused = { kind: "rejected", error: { details: { limit: "producersMax" } } };
  expect(await rig.enqueue("work", from("c"))).toMatchObject([refused]);
  await rig.clock.advance(day + 1);
  await rig.enqueue("work", message("traffic"));
  expect(await rig.enqueue("work", from("c"))).toMatchObject([{ kind: "stored" }]);
  expect(rig.memory.scanNamed("producer", "", "", { rows: 9 }).map(({ name }) => name)).toEqual([
    "c",
  ]);
});
