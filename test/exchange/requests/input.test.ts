/** A handler that asks its asker in the middle of the work. */
import { type Agent, ColloquyError, type Context, isColloquyError, type Network } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { type Fabric, openFabric } from "../../support/fabric.ts";
import { openHubFabric } from "../../support/hub-fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

const sleep = (ms: number) => new Promise<void>((resolve) => fabric.clock.setTimer(ms, resolve));

describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("a question $where", ({ processes }) => {
  async function open(): Promise<{ asker: Agent; handler: Agent; net: Network }> {
    fabric = await openFabric(processes);
    const net = fabric.networks[0] as Network;
    const asker = await fabric.until(net.agent("asker"));
    const handling = fabric.networks[processes - 1] as Network;
    const handler = await fabric.until(handling.agent("handler"));
    await fabric.clock.advance(10);
    handler.handle("paint", async (_input, { ask }: Context) => {
      const colour = await ask({ which: "colour" });
      const size = await ask("size");
      return { colour, size };
    });
    return { asker, handler, net };
  }

  test("is answered by onInput, and no idle time passes while somebody thinks", async () => {
    const { asker } = await open();
    const asked: unknown[] = [];
    const answer = asker.request("agent:handler", "paint", undefined, {
      timeoutMs: 6_000,
      onInput: async (question) => {
        asked.push(question);
        if (question === "size") return undefined;
        await sleep(60_000);
        return ["red", 7];
      },
    });
    expect(await fabric.until(answer)).toEqual({ colour: ["red", 7], size: undefined });
    expect(asked).toEqual([{ which: "colour" }, "size"]);
  });

  test("without onInput fails at once, and what onInput throws is thrown where it was asked", async () => {
    const { asker } = await open();
    const beforeMs = fabric.clock.monotonicMs();
    await expect(fabric.until(asker.request("agent:handler", "paint"))).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { feature: "onInput" },
    });
    expect(fabric.clock.monotonicMs() - beforeMs).toBeLessThan(100);
    const onInput = () => {
      throw new ColloquyError("FORBIDDEN", "no colours", { details: { who: "me" } });
    };
    const refused = asker.request("agent:handler", "paint", undefined, { onInput });
    await expect(fabric.until(refused)).rejects.toMatchObject({
      code: "FORBIDDEN",
      details: { who: "me" },
    });
    const odd = asker.request("agent:handler", "paint", undefined, { onInput: () => new Date() });
    await expect(fabric.until(odd)).rejects.toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  test("ends with its time limit, its signal, and the work; a deadline passes all the same", async () => {
    const { asker, handler } = await open();
    const failures: unknown[] = [];
    const note = (error: unknown) => {
      if (isColloquyError(error)) failures.push(error.code);
    };
    handler.handle("impatient", async (_input, { ask }) => {
      const controller = new AbortController();
      const aborted = ask("a", { signal: controller.signal }).catch(note);
      await sleep(10);
      controller.abort();
      await aborted;
      await ask("b", { timeoutMs: 1_000 }).catch(note);
      await ask("c").catch(note);
    });
    const late = asker.request("agent:handler", "impatient", undefined, {
      deadlineMs: 9_000,
      timeoutMs: 2_000,
      onInput: () => new Promise(() => {}),
    });
    const beforeMs = fabric.clock.monotonicMs();
    await expect(fabric.until(late)).rejects.toMatchObject({
      code: "TIMEOUT",
      details: { deadline: true, outcome: "in-progress" },
    });
    expect(fabric.clock.monotonicMs() - beforeMs).toBeGreaterThanOrEqual(9_000);
    await fabric.clock.advance(1_000);
    expect(failures).toEqual(["CANCELLED", "TIMEOUT", expect.stringMatching(/CANCELLED|TIMEOUT/)]);
  });

  test("is passed on through a chain of handlers, and pauses every one of them", async () => {
    const { asker, handler } = await open();
    handler.handle("outer", (_input, { ask, request }) =>
      request("agent:handler", "paint", 1, {
        timeoutMs: 6_000,
        onInput: (question) => ask({ passedOn: question }),
      }),
    );
    const answer = asker.request("agent:handler", "outer", 1, {
      timeoutMs: 6_000,
      onInput: async (question) => {
        await sleep(20_000);
        return question;
      },
    });
    expect(await fabric.until(answer)).toEqual({
      colour: { passedOn: { which: "colour" } },
      size: { passedOn: "size" },
    });
  });

  test("whose answer the handler does not wait for ends with it, and gives no place away", async () => {
    const { asker, handler } = await open();
    let running = 0;
    let most = 0;
    handler.handle("hasty", (_input, { ask }) => {
      for (const question of ["a", "b"]) ask(question).catch(note);
      return "done";
    });
    handler.handle("work", async () => {
      most = Math.max(most, ++running);
      await sleep(100);
      running--;
    });
    const failures: unknown[] = [];
    const note = (error: unknown) => {
      if (isColloquyError(error)) failures.push(error.code);
    };
    let late: Context["ask"] | undefined;
    handler.handle("later", (_input, { ask }) => {
      late = ask;
    });
    const onInput = () => new Promise(() => {});
    for (let time = 0; time < 3; time++) {
      await fabric.until(asker.request("agent:handler", "hasty", undefined, { onInput }));
    }
    await fabric.until(asker.request("agent:handler", "later", undefined, { onInput }));
    await expect(fabric.until(late?.("c") ?? Promise.resolve())).rejects.toMatchObject({
      code: "CLOSED",
    });
    await fabric.clock.advance(10);
    expect(failures).toEqual(Array.from({ length: 6 }, () => "CLOSED"));
    expect(handler.load).toBe(0);
    const works = Array.from({ length: handler.capacity + 3 }, () =>
      asker.request("agent:handler", "work"),
    );
    await fabric.until(Promise.all(works));
    expect(most).toBe(handler.capacity);
    await fabric.until(handler.close());
  });

  test("that was open when the asker left is asked again of whoever attaches", async () => {
    const { asker, handler, net } = await open();
    handler.handle("later", async (_input, { ask }) => {
      await sleep(8_000);
      return { given: await ask("what now?") };
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave" } as const;
    const error = await fabric.until(
      asker.request("agent:handler", "later", 1, options).catch((thrown: unknown) => thrown),
    );
    const { id } = (error as ColloquyError).details;
    await fabric.clock.advance(60_000);
    const again = net.attach(String(id), {
      timeoutMs: 6_000,
      onInput: async (question) => {
        await sleep(20_000);
        return [question];
      },
    });
    expect(await fabric.until(again.result)).toEqual({ given: ["what now?"] });
  });
});

test("a question and its answer survive the hub that carried them", async () => {
  const hubs = await openHubFabric();
  const [asking, handling] = [await hubs.join("asking"), await hubs.join("handling")];
  const asker = await hubs.until(asking.agent("asker"));
  const handler = await hubs.until(handling.agent("handler"));
  await hubs.clock.advance(50);
  handler.handle("paint", (_input, { ask }) => ask("colour"));
  let asked = 0;
  const answer = asker.request("agent:handler", "paint", 1, {
    onInput: async () => {
      asked++;
      await new Promise<void>((resolve) => hubs.clock.setTimer(500, resolve));
      return "red";
    },
  });
  await hubs.clock.advance(100);
  await hubs.killHub();
  await hubs.clock.advance(1_000);
  await hubs.openHub();
  expect(await hubs.until(answer)).toBe("red");
  expect(asked).toBe(1);
  await hubs.close();
  fabric = await openFabric(0);
});
