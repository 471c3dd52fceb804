/** Who of several processes is asked: by id, type or capability, by strategy, and who may be asked at all. */
import type { Agent, AgentOptions, Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

/** Each of them in a process of its own, and one in another that asks. */
async function open(workers: Readonly<Record<string, AgentOptions>>) {
  const ids = Object.keys(workers);
  fabric = await openFabric(ids.length + 1);
  const agents: Record<string, Agent> = {};
  for (const [index, id] of ids.entries()) {
    const options = { type: "pool", ...workers[id] };
    const agent = await fabric.until((fabric.networks[index] as Network).agent(id, options));
    agent.handle("who", () => id);
    await fabric.until(agent.ready());
    agents[id] = agent;
  }
  const asking = fabric.networks[ids.length] as Network;
  const asker = await fabric.until(asking.agent("asker"));
  await fabric.acquainted();
  return { agents, asking, asker };
}

type Strategy = "round-robin" | "weighted" | "least-busy" | "fastest";

/** One after the other. */
async function answers(asker: Agent, count: number, strategy: Strategy): Promise<string[]> {
  const all: string[] = [];
  for (let n = 0; n < count; n++) {
    all.push((await fabric.until(asker.request("type:pool", "who", n, { strategy }))) as string);
  }
  return all;
}

const countOf = (all: readonly unknown[], one: unknown) => all.filter((it) => it === one).length;

test("round robin takes turns, and weighted turns as they are weighed", async () => {
  const { asker } = await open({ a: { weight: 4 }, b: {}, c: {} });
  const turns = await answers(asker, 9, "round-robin");
  expect(["a", "b", "c"].map((id) => countOf(turns, id))).toEqual([3, 3, 3]);
  expect(turns.slice(3)).toEqual(turns.slice(0, 6));
  const weighed = await answers(asker, 12, "weighted");
  expect(["a", "b", "c"].map((id) => countOf(weighed, id))).toEqual([8, 2, 2]);
});

test("the least busy is asked: each gets as much as its capacity allows", async () => {
  const { agents, asker } = await open({ wide: { capacity: 4 }, narrow: { capacity: 2 } });
  const held = Promise.withResolvers<void>();
  for (const [id, agent] of Object.entries(agents))
    agent.handle("hold", () => held.promise.then(() => id));
  const asked = Array.from({ length: 6 }, () => asker.request("type:pool", "hold"));
  await fabric.eventually(() => {
    expect([agents["wide"]?.load, agents["narrow"]?.load]).toEqual([4, 2]);
  });
  held.resolve();
  const all = await fabric.until(Promise.all(asked));
  expect([countOf(all, "wide"), countOf(all, "narrow")]).toEqual([4, 2]);
});

test("the fastest is asked once its time, and that of the others, is known", async () => {
  const { agents, asker } = await open({ slow: {}, quick: {} });
  const slow = agents["slow"] as Agent;
  for (const agent of [slow, agents["quick"] as Agent]) {
    agent.handle("work", async () => {
      if (agent === slow) {
        await new Promise<void>((resolve) => fabric.clock.setTimer(4_000, resolve));
      }
      return agent.id;
    });
  }
  const all: unknown[] = [];
  for (let n = 0; n < 8; n++) {
    all.push(await fabric.until(asker.request("type:pool", "work", n, { strategy: "fastest" })));
  }
  expect(all.slice(0, 2).sort()).toEqual(["quick", "slow"]);
  expect(all.slice(2)).toEqual(Array(6).fill("quick"));
});

test("a capability leads to those that have it, and the refusal says when nobody has", async () => {
  const { agents, asker } = await open({
    reader: { capabilities: ["read"] },
    writer: { capabilities: ["read", "write"], type: "other" },
  });
  const ask = (capability: string) => asker.request(`skill:${capability}`, "who");
  expect(await fabric.until(ask("write"))).toBe("writer");
  const readers = await fabric.until(Promise.all([1, 2, 3, 4].map(() => ask("read"))));
  expect(new Set(readers)).toEqual(new Set(["reader", "writer"]));
  await expect(fabric.until(ask("fly"))).rejects.toMatchObject({ code: "NO_ELIGIBLE_AGENT" });
  await fabric.until((agents["writer"] as Agent).close());
  await fabric.eventually(() =>
    expect(fabric.until(ask("write"))).rejects.toMatchObject({ code: "NO_ELIGIBLE_AGENT" }),
  );
});

test("only active agents below their capacity are asked, and the refusal says how it is with each", async () => {
  const { agents, asking, asker } = await open({ ill: {}, full: { capacity: 1 } });
  const [ill, full] = [agents["ill"] as Agent, agents["full"] as Agent];
  ill.setStatus("unhealthy", "no database");
  await fabric.eventually(() => {
    expect(asking.find({ id: "ill" })).toMatchObject([{ status: "unhealthy" }]);
  });
  expect(await answers(asker, 3, "round-robin")).toEqual(["full", "full", "full"]);
  const end = Promise.withResolvers<void>();
  full.handle("hold", () => end.promise);
  const holding = asker.request("agent:full", "hold");
  await fabric.eventually(async () => {
    await expect(fabric.until(asker.request("type:pool", "who"))).rejects.toMatchObject({
      code: "NO_ELIGIBLE_AGENT",
      details: {
        agents: expect.arrayContaining([
          expect.objectContaining({ agent: "ill", status: "unhealthy" }),
          expect.objectContaining({ agent: "full", load: 1, capacity: 1 }),
        ]),
      },
    });
  });
  end.resolve();
  await fabric.until(holding);
  ill.setStatus("active");
  await fabric.eventually(async () => {
    expect(new Set(await answers(asker, 4, "round-robin"))).toEqual(new Set(["ill", "full"]));
  });
});
