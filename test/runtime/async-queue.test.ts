import { describe, expect, test } from "vitest";
import { AsyncQueue } from "../../src/runtime/async-queue.ts";

async function drain<Item>(queue: AsyncQueue<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

describe("reading", () => {
  test("gives what was pushed before and while it reads, in order, then the end", async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    const reading = drain(queue);
    queue.push(2);
    await Promise.resolve();
    queue.push(3);
    queue.push(4);
    queue.end();
    queue.end();
    await expect(reading).resolves.toEqual([1, 2, 3, 4]);
    await expect(queue.next()).resolves.toEqual({ done: true, value: undefined });
  });

  test("gives what waits before a failure, and throws it once", async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    queue.fail(new Error("planted"));
    queue.fail(new Error("second"));
    await expect(queue.next()).resolves.toEqual({ done: false, value: 1 });
    await expect(queue.next()).rejects.toThrow("planted");
    await expect(queue.next()).resolves.toEqual({ done: true, value: undefined });
  });

  test("a waiting reader learns of a failure and of the end", async () => {
    const failing = new AsyncQueue<number>();
    const failed = failing.next();
    failing.fail(new Error("planted"));
    await expect(failed).rejects.toThrow("planted");
    await expect(failing.next()).resolves.toEqual({ done: true, value: undefined });

    const ending = new AsyncQueue<number>();
    const ended = ending.next();
    ending.end();
    await expect(ended).resolves.toEqual({ done: true, value: undefined });
  });

  test("a second reader at the same time is refused", async () => {
    const queue = new AsyncQueue<number>();
    const first = queue.next();
    await expect(queue.next()).rejects.toMatchObject({ code: "INVALID_OPTION" });
    queue.push(7);
    await expect(first).resolves.toEqual({ done: false, value: 7 });
  });
});

describe("pushing", () => {
  test("is refused when full, accepted again after a read, refused after the end", async () => {
    let reads = 0;
    const queue = new AsyncQueue<number>({ itemsMax: 2, onRead: () => reads++ });
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    await queue.next();
    expect(reads).toBe(1);
    expect(queue.push(4)).toBe(true);
    queue.end();
    expect(queue.ended).toBe(true);
    expect(queue.push(5)).toBe(false);
    await expect(drain(queue)).resolves.toEqual([2, 4]);
  });
});

describe("leaving the loop", () => {
  test("ends the queue, tells once, and lets what waits be taken out", async () => {
    const left: number[] = [];
    let stops = 0;
    const queue: AsyncQueue<number> = new AsyncQueue({
      onStop: () => {
        stops++;
        left.push(...queue.takeAll());
      },
    });
    for (const item of [1, 2, 3]) queue.push(item);
    for await (const item of queue) if (item === 1) break;
    expect(left).toEqual([2, 3]);
    expect(queue.push(4)).toBe(false);
    await queue.return();
    expect(stops).toBe(1);
    await expect(drain(queue)).resolves.toEqual([]);
  });
});
