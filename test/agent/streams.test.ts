import { command, protocol, request, stream } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("a stream $where", ({ processes }) => {
  async function open() {
    fabric = await openFabric(processes);
    const asking = fabric.networks[0];
    const handling = fabric.networks[processes - 1];
    if (asking === undefined || handling === undefined) throw new Error("no network");
    const reader = await fabric.until(asking.agent("reader"));
    const writer = await fabric.until(handling.agent("writer"));
    await fabric.acquainted();
    return { reader, writer };
  }

  test("gives every chunk in order, then the result", async () => {
    const { reader, writer } = await open();
    writer.handle("count", async function* (input) {
      for (let n = 1; n <= (input as number); n++) yield { n };
      return "counted";
    });
    const reply = reader.stream("agent:writer", "count", 1_000, { window: 7 });
    const chunks: unknown[] = [];
    await fabric.until(
      (async () => {
        for await (const chunk of reply) chunks.push(chunk);
      })(),
    );
    expect(chunks).toEqual(Array.from({ length: 1_000 }, (_, index) => ({ n: index + 1 })));
    expect(await reply.result).toBe("counted");
  });

  onVirtualTime("times out while its handler is silent, not while its reader is", async () => {
    const { reader, writer } = await open();
    writer.handle("count", async function* (input) {
      for (let n = 1; n <= 5; n++) yield n;
      if (input === "and stop") await new Promise(() => {});
      return "counted";
    });
    const options = { window: 2, timeoutMs: 1_000 };
    const reply = reader.stream("agent:writer", "count", undefined, options);
    const chunks = reply[Symbol.asyncIterator]();
    for (let n = 1; n <= 5; n++) {
      expect(await fabric.until(chunks.next())).toMatchObject({ value: n });
      await fabric.clock.advance(5_000);
    }
    expect(await fabric.until(reply.result)).toBe("counted");

    const stopping = reader.stream("agent:writer", "count", "and stop", options);
    await expect(fabric.until(readAll(stopping))).rejects.toMatchObject({ code: "TIMEOUT" });
    const unread = reader.stream("agent:writer", "count", "and stop", {
      ...options,
      deadlineMs: 20_000,
    });
    let ended = false;
    unread.result.catch(() => {
      ended = true;
    });
    await fabric.clock.advance(15_000);
    expect(ended).toBe(false);
    await expect(fabric.until(unread.result)).rejects.toMatchObject({
      code: "TIMEOUT",
      message: expect.stringContaining("deadline"),
    });
  });

  test("tells a writer whose chunk cannot travel that it is over, and takes nothing staged after", async () => {
    const { reader, writer } = await open();
    let cleanedUp = false;
    let stage = () => {};
    writer.handle("odd", async function* (_input, { publish }) {
      stage = () => publish("late", 1);
      try {
        yield 1;
        yield () => {};
      } finally {
        cleanedUp = true;
      }
    });
    const reply = reader.stream("agent:writer", "odd");
    await expect(fabric.until(readAll(reply))).rejects.toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
    await fabric.eventually(() => expect([cleanedUp, writer.load]).toEqual([true, 0]));
    expect(stage).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });

  test("lets the writer be ahead of a slow reader by its window and no more", async () => {
    const { reader, writer } = await open();
    let written = 0;
    writer.handle("endless", async function* () {
      for (;;) yield ++written;
    });
    const reply = reader.stream("agent:writer", "endless", undefined, { window: 10 });
    const chunks = reply[Symbol.asyncIterator]();
    await fabric.clock.advance(100);
    expect(written).toBeLessThanOrEqual(11);
    for (let read = 1; read <= 50; read++) {
      expect((await fabric.until(chunks.next())).value).toBe(read);
    }
    await fabric.eventually(() => expect(written).toBeGreaterThan(50));
    expect(written).toBeLessThanOrEqual(61);
    await chunks.return?.();
    await fabric.eventually(() => expect(writer.load).toBe(0));
    const stopped = written;
    await fabric.clock.advance(1_000);
    expect(written).toBe(stopped);
  });

  test("left early ends the writer's loop, cleanup included", async () => {
    const { reader, writer } = await open();
    let cleaned = false;
    writer.handle("endless", async function* () {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        cleaned = true;
      }
    });
    const reply = reader.stream("agent:writer", "endless", undefined, { window: 4 });
    await fabric.until(
      (async () => {
        for await (const chunk of reply) if (chunk === 20) break;
      })(),
    );
    await expect(reply.result).rejects.toMatchObject({ code: "CANCELLED" });
    await fabric.eventually(() => expect(cleaned).toBe(true));
  });

  test("that fails half-way gives what came before, then the error", async () => {
    const { reader, writer } = await open();
    writer.handle("broken", async function* () {
      yield 1;
      yield 2;
      throw new Error("half-way");
    });
    const reply = reader.stream("agent:writer", "broken");
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of reply) chunks.push(chunk);
    })();
    await expect(fabric.until(reading)).rejects.toMatchObject({
      code: "HANDLER_FAILED",
      message: "half-way",
    });
    expect(chunks).toEqual([1, 2]);
  });

  test("is not what request asks for, and a plain answer is a stream without chunks", async () => {
    const { reader, writer } = await open();
    writer.handle("chunks", async function* () {
      yield 1;
    });
    writer.handle("plain", () => 5);
    await expect(fabric.until(reader.request("agent:writer", "chunks"))).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
    const reply = reader.stream("agent:writer", "plain");
    expect(await fabric.until(reply.result)).toBe(5);
  });

  test("and everything else of a contract is checked by its schemas, with the path", async () => {
    const { reader, writer } = await open();
    const Risk = protocol("risk", {
      assess: request({
        input: z.object({ orders: z.array(z.object({ price: z.number() })) }),
        output: z.object({ score: z.number() }),
      }),
      narrate: stream({ input: z.string(), chunk: z.string().max(5), output: z.number() }),
      file: command({ input: z.object({ id: z.string() }) }),
    });
    writer.serve(Risk, {
      assess: ({ orders }) => ({ score: orders.length > 1 ? ("two" as never) : 1 }),
      async *narrate(text) {
        yield text;
        yield `${text}${text}`;
        return 2;
      },
      file: () => undefined,
    });
    const [asking] = fabric.networks;
    await fabric.until(asking?.waitFor({ capability: "risk.assess" }) ?? Promise.reject());
    const risk = reader.client(Risk);
    expect(await fabric.until(risk.assess({ orders: [{ price: 1 }] }))).toEqual({ score: 1 });
    const wrong = risk.assess({ orders: [{ price: 1 }, { price: "1" as never }] });
    await expect(fabric.until(wrong)).rejects.toMatchObject({
      code: "INVALID_MESSAGE",
      details: { field: "input", path: "orders[1].price" },
    });
    const worse = risk.assess({ orders: [{ price: 1 }, { price: 2 }] });
    await expect(fabric.until(worse)).rejects.toMatchObject({
      code: "INVALID_MESSAGE",
      details: { field: "output", path: "score" },
    });
    const reply = risk.narrate("abc");
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of reply) chunks.push(chunk);
    })();
    await expect(fabric.until(reading)).rejects.toMatchObject({ details: { field: "chunk" } });
    expect(chunks).toEqual(["abc"]);
  });
});

async function readAll(chunks: AsyncIterable<unknown>): Promise<unknown[]> {
  const read: unknown[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return read;
}
