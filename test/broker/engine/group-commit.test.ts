import { expect, test } from "vitest";
import type { StoreChange } from "../../../src/broker/broker.ts";
import { bytes, collect, message, Rig, settlement } from "./rig.ts";

const signal = new AbortController().signal;

test("G2: nobody is told or offered anything before the commit", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  await rig.clock.settle();
  const told: string[] = [];
  let toldAtCommit: readonly string[] = ["never committed"];
  rig.storage.onCommit = () => {
    toldAtCommit = [...told, ...reader.deliveries.map(() => "offered")];
  };
  const heard = (change: readonly StoreChange[]) => told.push(...change.map(({ kind }) => kind));
  await rig.run(rig.broker.store?.watch("", heard, signal) ?? Promise.resolve());
  told.length = 0;

  const enqueued = rig.broker.queues
    .enqueue("work", [message("a")])
    .then(() => told.push("stored"));
  const put = rig.broker.store?.put([{ key: "k", value: bytes("v") }]).then(() => told.push("put"));
  await rig.run(Promise.all([enqueued, put]));

  expect(toldAtCommit).toEqual([]);
  expect(told.toSorted()).toEqual(["put", "put", "stored"]);
  expect(await reader.texts()).toEqual(["a"]);
});

test("what arrives together is committed together", async () => {
  const rig = await Rig.with(["work", "other"]);
  const before = rig.storage.commits.length;
  await rig.run(
    Promise.all([
      rig.broker.queues.enqueue("work", [message("a"), message("b")]),
      rig.broker.queues.enqueue("other", [message("c")]),
      rig.broker.log?.append("stream", [bytes("entry")]),
      rig.broker.store?.put([{ key: "k", value: bytes("v") }]),
    ]),
  );
  expect(rig.storage.commits.length).toBe(before + 1);
});

test("a group is bounded; the rest goes to the next one", async () => {
  const rig = await Rig.with(["work"], { groupMessagesMax: 100 });
  const before = rig.storage.commits.length;
  const batches = Array.from({ length: 10 }, (_, batch) =>
    rig.broker.queues.enqueue(
      "work",
      Array.from({ length: 40 }, (_, index) => message(`${batch}.${index}`)),
    ),
  );
  const outcomes = (await rig.run(Promise.all(batches))).flat();
  expect(outcomes.map((outcome) => outcome.kind === "stored" && outcome.position)).toEqual(
    Array.from({ length: 400 }, (_, index) => index + 1),
  );
  expect(rig.storage.commits.length).toBe(before + 5);
});

test("a batch longer than a group is stored in order", async () => {
  const rig = await Rig.with(["work"]);
  const batch = Array.from({ length: 5_000 }, (_, index) => message(String(index)));
  const outcomes = await rig.enqueue("work", ...batch);
  expect(outcomes.map((outcome) => outcome.kind === "stored" && outcome.position)).toEqual(
    batch.map((_, index) => index + 1),
  );
});

test("a batch with more bytes than a group is stored in several", async () => {
  const rig = await Rig.with(["work"], { groupBytesMax: 10_000 });
  const before = rig.storage.commits.length;
  const batch = Array.from({ length: 10 }, () => message("", { frame: new Uint8Array(3_000) }));
  const outcomes = await rig.enqueue("work", ...batch);
  expect(outcomes.map((outcome) => outcome.kind === "stored" && outcome.position)).toEqual(
    batch.map((_, index) => index + 1),
  );
  expect(rig.storage.commits.length).toBe(before + 4);
});

test("G2: when a group cannot be written, all of it is rejected and nothing of it is kept", async () => {
  const rig = await Rig.with(["work"]);
  const once = message("first", { guarantee: "exactly-once", id: "once" });
  const origin = { incarnation: "life", sequence: 1, repeatsFrom: 1 };
  const sent = message("second", { origin });
  const attempt = () =>
    rig.run(
      Promise.all([
        rig.broker.queues.enqueue("work", [once, sent]),
        rig.broker.store?.put([{ key: "k", value: bytes("v"), ifRevision: 0 }]),
        rig.broker.store?.put([{ key: "soft", value: bytes("v"), ifRevision: 0, volatile: true }]),
        rig.broker.log?.append("stream", [bytes("entry")], 1),
      ]),
    );
  const reader = rig.receive("work");
  rig.storage.fault = "refuse";
  const [messages, put, soft, appended] = await attempt();
  expect(messages).toMatchObject([
    { kind: "rejected", error: { code: "STORE_FAILED" } },
    { kind: "rejected", error: { code: "STORE_FAILED" } },
  ]);
  expect([put, soft, appended]).toMatchObject([
    { kind: "rejected" },
    { kind: "rejected" },
    { kind: "rejected" },
  ]);
  expect(await reader.texts()).toEqual([]);
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 0, offered: 0 }]);

  const [again, ...written] = await attempt();
  expect(again).toMatchObject([
    { kind: "stored", duplicate: false },
    { kind: "stored", duplicate: false },
  ]);
  expect(written).toEqual([
    { kind: "stored", revisions: [1] },
    { kind: "stored", revisions: [2] },
    { kind: "appended", position: 1 },
  ]);
  expect(await reader.texts()).toEqual(["first", "second"]);
});

test("G2: a repetition of what was stored before is not called rejected when its group cannot be written", async () => {
  const rig = await Rig.with(["work"]);
  const origin = { incarnation: "life", sequence: 1, repeatsFrom: 1 };
  const known = message("known", { origin });
  const once = message("once", { guarantee: "exactly-once", id: "once" });
  await rig.enqueue("work", known, once);
  rig.storage.fault = "refuse";
  const fresh = message("fresh", { origin: { ...origin, sequence: 2 } });
  expect(await rig.enqueue("work", known, once, fresh)).toMatchObject([
    { kind: "stored", position: 1, duplicate: true },
    { kind: "stored", position: 2, duplicate: true },
    { kind: "rejected", error: { code: "STORE_FAILED" } },
  ]);
  expect(await rig.receive("work").texts()).toEqual(["known", "once"]);
});

test("G2: a repetition of what was settled before is settled when its group cannot be written", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const [a, b] = (await rig.receive("work").take()).map((delivery) => settlement(delivery));
  if (a === undefined || b === undefined) throw new Error("nothing was offered");
  await rig.run(rig.broker.queues.settle([a]));
  rig.storage.fault = "refuse";
  expect(await rig.run(rig.broker.queues.settle([a, b]))).toMatchObject([
    { kind: "settled" },
    { kind: "refused" },
  ]);
});

test("G2: a settlement that cannot be written is refused, and its lease stands", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const reader = rig.receive("work");
  const taken = await reader.take();
  rig.storage.fault = "refuse";
  const settle = () => rig.broker.queues.settle(taken.map((delivery) => settlement(delivery)));
  expect(await rig.run(settle())).toMatchObject([{ kind: "refused" }, { kind: "refused" }]);
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 2, offered: 2 }]);
  expect(await rig.run(settle())).toEqual([{ kind: "settled" }, { kind: "settled" }]);
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 0, offered: 0 }]);
});

test("G2: what a refused settlement would have made final is there after a crash, though its neighbour is not", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("a"), message("b"), message("c"));
  const [a, b] = await rig.receive("work").take();
  if (a === undefined || b === undefined) throw new Error("nothing was offered");
  rig.storage.fault = "refuse";
  await rig.run(rig.broker.queues.settle([settlement(a)]));
  await rig.run(rig.broker.queues.settle([settlement(b)]));
  rig.crash();
  expect(await rig.receive("work").texts()).toEqual(["a", "c"]);
});

test("a declaration that cannot be written is rejected, and can be repeated", async () => {
  const rig = new Rig();
  rig.storage.fault = "refuse";
  await expect(rig.run(rig.broker.queues.declare(["work"]))).rejects.toMatchObject({
    code: "STORE_FAILED",
  });
  expect(await rig.enqueue("work", message("a"))).toMatchObject([
    { kind: "rejected", error: { code: "NO_ELIGIBLE_AGENT" } },
  ]);
  await rig.run(rig.broker.queues.declare(["work"]));
  expect(await rig.enqueue("work", message("a"))).toMatchObject([{ kind: "stored" }]);
});

test.each(["lose", "lose-after"] as const)(
  "G2: after a commit that may or may not have happened (%s) the engine ends and says so",
  async (fault) => {
    const rig = await Rig.with(["work"]);
    await rig.enqueue("work", message("a"));
    const reader = rig.receive("work");
    const [delivery] = await reader.take();
    const statuses = collectStatuses(rig);
    rig.storage.fault = fault;
    const outcomes = await rig.run(
      Promise.all([
        rig.broker.queues.enqueue("work", [message("b")]),
        rig.broker.queues.settle([settlement(delivery as NonNullable<typeof delivery>)]),
        rig.broker.store?.put([{ key: "k", value: bytes("v") }]),
        rig.broker.log?.append("stream", [bytes("entry")]),
      ]),
    );
    expect(outcomes.flat()).toMatchObject(
      Array.from({ length: 4 }, () => ({
        kind: "indeterminate",
        error: { code: "INDETERMINATE" },
      })),
    );
    expect(await rig.engine.failed).toMatchObject({ code: "INDETERMINATE" });
    expect(reader.end).toMatchObject({ error: { code: "STORE_FAILED" } });
    await expect(rig.broker.queues.enqueue("work", [message("c")])).rejects.toMatchObject({
      code: "STORE_FAILED",
    });
    expect((await statuses).at(-1)).toMatchObject({
      kind: "closed",
      cause: { code: "INDETERMINATE" },
    });

    rig.crash();
    const there = await collect(rig.broker.queues.browse("work", {}, signal));
    expect(there.map(({ position }) => position)).toEqual(fault === "lose" ? [1] : [2]);
  },
);

test("an operation that meets a damaged row fails alone", async () => {
  const rig = await Rig.with(["work"]);
  await rig.run(Promise.all([rig.broker.log?.append("good", [bytes("entry")])]));
  rig.memory.commit([{ table: "stream", name: "bad", value: bytes("?") }]);
  const [bad, good, stored] = await rig.run(
    Promise.all([
      rig.broker.log?.append("bad", [bytes("entry")]),
      rig.broker.log?.append("good", [bytes("entry")]),
      rig.broker.queues.enqueue("work", [message("a")]),
    ]),
  );
  expect(bad).toMatchObject({ kind: "rejected" });
  expect(good).toEqual({ kind: "appended", position: 2 });
  expect(stored).toMatchObject([{ kind: "stored", position: 1 }]);
});

async function collectStatuses(rig: Rig): Promise<readonly { readonly kind: string }[]> {
  const statuses: { readonly kind: string }[] = [];
  for await (const status of rig.broker.statuses(signal)) statuses.push(status);
  return statuses;
}
