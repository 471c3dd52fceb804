import { expect, test } from "vitest";
import type { StoreChange } from "../../src/broker/broker.ts";
import { PacedChanges } from "../../src/hub/paced-changes.ts";
import { Deferred } from "../../src/runtime/deferred.ts";

function put(key: string, revision: number): StoreChange {
  return { kind: "put", key, value: Uint8Array.of(revision), revision };
}

function open() {
  const sent: StoreChange[][] = [];
  let caughtUp = new Deferred();
  let slow = false;
  const paced = new PacedChanges({
    send: (changes) => sent.push([...changes]),
    slow: () => slow,
    caughtUp: () => caughtUp.promise,
  });
  const lag = () => {
    slow = true;
    caughtUp = new Deferred();
  };
  const catchUp = async () => {
    slow = false;
    caughtUp.resolve();
    await new Promise(setImmediate);
  };
  return { paced, sent, lag, catchUp };
}

test("whoever keeps up is told every change", () => {
  const { paced, sent } = open();
  paced.tell([{ kind: "reset" }, put("a", 1)]);
  paced.tell([put("a", 2)]);
  expect(sent).toEqual([[{ kind: "reset" }, put("a", 1)], [put("a", 2)]]);
});

test("whoever lags is told the latest of each key, in the order in which they changed last", async () => {
  const { paced, sent, lag, catchUp } = open();
  lag();
  for (let revision = 1; revision <= 1_000; revision++) paced.tell([put("a", revision)]);
  paced.tell([put("b", 1_001), { kind: "delete", key: "c" }, put("a", 1_002)]);
  expect(sent).toEqual([]);
  await catchUp();
  expect(sent).toEqual([[put("b", 1_001), { kind: "delete", key: "c" }, put("a", 1_002)]]);
});

test("what is large is told in pieces that one message carries", () => {
  const { paced, sent } = open();
  const value = new Uint8Array(2 ** 20);
  const changes = Array.from({ length: 40 }, (_, index): StoreChange => {
    return { kind: "put", key: `${index}`, value, revision: index + 1 };
  });
  paced.tell(changes);
  expect(sent.flat()).toEqual(changes);
  for (const piece of sent) expect(piece.length).toBeLessThanOrEqual(2);
});

test("a reset makes what was kept before it void", async () => {
  const { paced, sent, lag, catchUp } = open();
  lag();
  paced.tell([put("a", 1)]);
  paced.tell([{ kind: "reset" }, put("b", 2)]);
  await catchUp();
  expect(sent).toEqual([[{ kind: "reset" }, put("b", 2)]]);
});
