import { event, protocol } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("publishing $where", ({ processes }) => {
  async function open() {
    fabric = await openFabric(processes);
    const speaking = fabric.networks[0];
    const hearing = fabric.networks[processes - 1];
    if (speaking === undefined || hearing === undefined) throw new Error("no network");
    const speaker = await fabric.until(speaking.agent("speaker"));
    const hearer = await fabric.until(hearing.agent("hearer"));
    return { speaker, hearer };
  }

  test("is not heard by who has closed its subscription, be it in the middle of what was published before", async () => {
    const { speaker, hearer } = await open();
    const heard: string[] = [];
    const first = await fabric.until(
      hearer.subscribe("news", (data) => {
        heard.push(`first ${data}`);
        if (data === 2) {
          first.close();
          second.close();
        }
      }),
    );
    const second = await fabric.until(
      hearer.subscribe("news", (data) => heard.push(`second ${data}`)),
    );
    await fabric.until(hearer.subscribe("news", (data) => heard.push(`third ${data}`)));
    await Promise.all([1, 2, 3].map((data) => speaker.publish("news", data)));
    await fabric.eventually(() => expect(heard).toContain("third 3"));
    const all = ["first 1", "second 1", "third 1", "first 2", "third 2", "third 3"];
    expect(heard).toEqual(all);
  });

  test("reaches whoever subscribed to a pattern that matches, once each, in order", async () => {
    const { speaker, hearer } = await open();
    const heard: string[] = [];
    for (const pattern of ["market.*", "market.>", "market.a", "*.b"]) {
      await fabric.until(
        hearer.subscribe(pattern, (data, { topic }) => heard.push(`${pattern} ${topic} ${data}`)),
      );
    }
    await fabric.until(speaker.publish("market.a", 1));
    await fabric.until(speaker.publish("market.b", 2));
    await fabric.until(speaker.publish("market.a.deep", 3));
    await fabric.until(speaker.publish("else", 4));
    await fabric.eventually(() => expect(heard.length).toBeGreaterThanOrEqual(7));
    expect(heard.sort()).toEqual(
      [
        "*.b market.b 2",
        "market.* market.a 1",
        "market.* market.b 2",
        "market.> market.a 1",
        "market.> market.b 2",
        "market.> market.a.deep 3",
        "market.a market.a 1",
      ].sort(),
    );
  });

  test("shows who published, ends with the subscription, and outlives a failing subscriber", async () => {
    const { speaker, hearer } = await open();
    const heard: unknown[] = [];
    const failing = await fabric.until(
      hearer.subscribe("news", () => {
        throw new Error("deaf");
      }),
    );
    const subscription = await fabric.until(
      hearer.subscribe("news", (data, { message }) => heard.push([data, message.from.agent])),
    );
    await fabric.until(speaker.publish("news", { n: 1 }));
    await fabric.eventually(() => expect(heard).toEqual([[{ n: 1 }, "speaker"]]));
    expect(fabric.errors).toHaveLength(1);
    failing.close();
    subscription.close();
    subscription.close();
    await fabric.clock.advance(10);
    await fabric.until(speaker.publish("news", { n: 2 }));
    await fabric.clock.advance(10);
    expect(heard).toHaveLength(1);
  });

  test("by a contract checks the data where it is heard", async () => {
    const { speaker, hearer } = await open();
    const Desk = protocol("desk", { tick: event({ data: z.object({ price: z.number() }) }) });
    const heard: number[] = [];
    await fabric.until(hearer.subscribe(Desk.tick, ({ price }) => heard.push(price)));
    await fabric.until(speaker.publish(Desk.tick, { price: 5 }));
    await fabric.until(speaker.publish("desk.tick", { price: "5" }));
    const refused = { code: "INVALID_MESSAGE" };
    await fabric.eventually(() => expect(fabric.errors).toMatchObject([refused]));
    expect(heard).toEqual([5]);
  });
});

test("a bad topic, pattern or payload is refused where it is given", async () => {
  fabric = await openFabric(1);
  const agent = await fabric.until(fabric.networks[0]?.agent("a") ?? Promise.reject());
  const code = { code: "INVALID_ADDRESS" };
  await expect(fabric.until(agent.publish("a..b", 1))).rejects.toMatchObject(code);
  await expect(fabric.until(agent.publish("a.*", 1))).rejects.toMatchObject(code);
  await expect(fabric.until(agent.publish("_inbox.x", 1))).rejects.toMatchObject(code);
  await expect(fabric.until(agent.subscribe(">.a", () => {}))).rejects.toMatchObject(code);
  await expect(fabric.until(agent.publish("a", new Map()))).rejects.toMatchObject({
    code: "SERIALIZATION_ERROR",
  });
});
