import { expect, test } from "vitest";
import type { AgentCard } from "../../src/routing/card.ts";
import { Registry } from "../../src/routing/registry.ts";

function card(id: string, more: Partial<AgentCard> = {}): AgentCard {
  return {
    id,
    type: "risk",
    capabilities: ["risk.assess"],
    capacity: 2,
    weight: 1,
    status: "active",
    startedMs: 1,
    ...more,
  };
}

function picks(registry: Registry, count: number, strategy: "round-robin" | "weighted"): string {
  return Array.from({ length: count }, () => registry.choose("type:risk", strategy).card.id).join(
    "",
  );
}

test("round robin takes turns", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a"), card("b")]);
  registry.replace("two", [], [card("c")]);
  expect(picks(registry, 6, "round-robin")).toBe("abcabc");
});

test("weighted spreads a heavy agent's turns out", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a", { weight: 5 }), card("b"), card("c")]);
  expect(picks(registry, 14, "weighted")).toBe("aabacaaaabacaa");
});

test("least busy takes the lowest share of capacity, in turn among equals", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a", { capacity: 10 }), card("b", { capacity: 2 })]);
  const a = registry.get("a");
  const b = registry.get("b");
  if (a === undefined || b === undefined) throw new Error("not registered");
  a.outstanding = 3;
  b.outstanding = 1;
  expect(registry.choose("skill:risk.assess", "least-busy")).toBe(a);
  a.outstanding = 6;
  expect(registry.choose("skill:risk.assess", "least-busy")).toBe(b);
});

test("what an agent says it has to do counts without this process's own calls, which are known here", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a", { capacity: 4 })]);
  const agent = registry.get("a");
  if (agent === undefined) throw new Error("not registered");
  agent.outstanding = 2;
  registry.reportLoad("one", { a: 4 });
  expect(agent).toMatchObject({ load: 4, eligible: false });
  agent.outstanding = 0;
  expect(agent).toMatchObject({ load: 2, eligible: true });
  agent.outstanding = 3;
  expect(agent.load).toBe(5);
  // They were not there yet when it looked.
  registry.reportLoad("one", { a: 1 });
  expect(agent.load).toBe(3);
  registry.reportLoad("one", {});
  expect(agent.load).toBe(3);
});

test("fastest tries those it knows nothing of, then takes the quickest", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a"), card("b")]);
  registry.get("a")?.learn(10);
  expect(registry.choose("type:risk", "fastest").card.id).toBe("b");
  registry.get("b")?.learn(30);
  expect(registry.choose("type:risk", "fastest").card.id).toBe("a");
});

test("only active agents below capacity are eligible, and the refusal says who was not", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a", { status: "draining" }), card("b", { capacity: 1 })]);
  registry.reportLoad("one", { b: 1 });
  expect(() => registry.choose("type:risk", "least-busy")).toThrow(
    expect.objectContaining({
      code: "NO_ELIGIBLE_AGENT",
      details: {
        address: "type:risk",
        agents: [
          { agent: "a", status: "draining", load: 0, capacity: 2 },
          { agent: "b", status: "active", load: 1, capacity: 1 },
        ],
      },
    }),
  );
  registry.reportLoad("one", {});
  expect(registry.choose("type:risk", "least-busy").card.id).toBe("b");
});

test("the youngest of two agents with one id counts; when it goes the elder is back", () => {
  const registry = new Registry();
  registry.replace("old", [], [card("a", { startedMs: 1 })]);
  registry.replace("new", [], [card("a", { startedMs: 2 })]);
  expect(registry.get("a")?.instance).toBe("new");
  expect(registry.members("type:risk")).toHaveLength(1);
  registry.remove("new");
  expect(registry.get("a")?.instance).toBe("old");
});

test("a suspect is passed over until it shows itself again, or is trusted", () => {
  const registry = new Registry();
  registry.replace("one", [], [card("a")]);
  registry.replace("two", [], [card("b")]);
  registry.suspect("one");
  expect(picks(registry, 3, "round-robin")).toBe("bbb");
  registry.reportLoad("one", {});
  expect(new Set(picks(registry, 2, "round-robin"))).toEqual(new Set("ab"));
  registry.suspect("one");
  registry.trust("one");
  expect(new Set(picks(registry, 2, "round-robin"))).toEqual(new Set("ab"));
});

test("a card that changes type changes pools", () => {
  const registry = new Registry();
  registry.set("one", card("a"));
  registry.set("one", card("a", { type: "desk", capabilities: [] }));
  expect(registry.members("type:risk")).toHaveLength(0);
  expect(registry.members("skill:risk.assess")).toHaveLength(0);
  expect(registry.members("type:desk")).toHaveLength(1);
});

test("cards of one part of a process's agents replace those, and leave all others", () => {
  const registry = new Registry();
  const ids = () => registry.find().map(({ id, weight }) => `${id}${weight}`);
  const [a, b, c] = [card("a"), card("b"), card("c")];
  registry.replace("one", [], [a, b]);
  registry.replace("one", [], [c]);
  const heavier = card("b", { weight: 2 });
  registry.replace("one", [a, b], [heavier]);
  expect(ids().sort()).toEqual(["b2", "c1"]);
  registry.replace("one", [c], []);
  expect(ids()).toEqual(["b2"]);
  // It moves from one part to another, and what is told first is where it is now.
  const moved = card("b", { weight: 3 });
  registry.replace("one", [], [moved]);
  registry.replace("one", [heavier], []);
  expect(ids()).toEqual(["b3"]);
  registry.replace("one", [moved], []);
  expect(ids()).toEqual([]);
  expect([...registry.instances()]).toEqual([]);
});
