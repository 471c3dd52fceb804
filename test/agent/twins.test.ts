import type { Agent, Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

const life = { capacity: 2, type: "worker", capabilities: ["work"] } as const;

/** Two lives of one agent, the second of which is younger, and what each has handled. */
async function open() {
  fabric = await openFabric(3);
  const [first, second, third] = fabric.networks as [Network, Network, Network];
  const handled = { elder: [] as unknown[], younger: [] as unknown[] };
  const go = new Deferred();
  const elder = await fabric.until(first.agent("twin", life));
  elder.handle("WORK", async (input) => {
    handled.elder.push(input);
    if (input === "long") await go.promise;
    return "elder";
  });
  await fabric.until(elder.ready());
  const sender = await fabric.until(third.agent("sender"));
  await fabric.acquainted();
  /** Resolves when every process takes the agent for alive in that one. */
  const settledOn = ({ instance }: Network) =>
    fabric.eventually(() => {
      for (const network of fabric.networks) {
        expect(network.find({ id: "twin" })).toMatchObject([{ instance }]);
      }
    });
  const beginYounger = async () => {
    await fabric.clock.advance(10);
    const younger = await fabric.until(second.agent("twin", life));
    younger.handle("WORK", (input) => {
      handled.younger.push(input);
      return "younger";
    });
    await fabric.until(younger.ready());
    await settledOn(second);
    const closeYounger = async () => {
      await fabric.until(younger.close());
      await settledOn(first);
    };
    return { closeYounger };
  };
  return { elder, sender, handled, go, beginYounger };
}

async function outcomesOf(sender: Agent, to: "agent:twin" | "type:worker" | "skill:work") {
  const sending = Array.from({ length: 10 }, (_, index) => sender.send(to, "WORK", index));
  const receipts = await fabric.until(Promise.all(sending));
  return fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
}

const by = (result: string) => Array.from({ length: 10 }, () => ({ state: "done", result }));

test("commands go to the younger of two lives of an agent, and to the elder again when it is alone", async () => {
  const { sender, beginYounger } = await open();
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("elder"));
  const { closeYounger } = await beginYounger();
  for (const to of ["agent:twin", "type:worker", "skill:work"] as const) {
    expect(await outcomesOf(sender, to)).toEqual(by("younger"));
  }
  await closeYounger();
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("elder"));
});

test("what the elder life has started it ends; what waits there goes to the younger", async () => {
  const { elder, sender, handled, go, beginYounger } = await open();
  const running = await fabric.until(
    Promise.all(["long", "long"].map((input) => sender.send("agent:twin", "WORK", input))),
  );
  await fabric.eventually(() => expect(elder.load).toBe(2));
  const asked = Array.from({ length: 3 }, () => sender.request("agent:twin", "WORK", "asked"));
  await fabric.eventually(() => expect(elder.load).toBe(5));
  const waiting = await fabric.until(sender.send("skill:work", "WORK", "waiting"));
  await fabric.eventually(() => expect(elder.load).toBe(6));
  const { closeYounger } = await beginYounger();
  expect(await fabric.until(waiting.settled())).toEqual({ state: "done", result: "younger" });
  await closeYounger();
  go.resolve();
  for (const receipt of running) {
    expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: "elder" });
  }
  expect(await fabric.until(Promise.all(asked))).toEqual(["elder", "elder", "elder"]);
  expect(handled.younger).toEqual(["waiting"]);
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("elder"));
});

test("a superseded life closes in order, and takes handlers that it works when it is alone again", async () => {
  const { elder, sender, beginYounger } = await open();
  const { closeYounger } = await beginYounger();
  elder.handle("MORE", () => "more");
  await fabric.until(elder.ready());
  await closeYounger();
  const receipt = await fabric.until(sender.send("agent:twin", "MORE"));
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: "more" });
  await beginYounger();
  await fabric.until(elder.close());
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("younger"));
  expect(fabric.errors).toEqual([]);
});

test("a superseded life that closes while it ends what it has started is closed with that", async () => {
  const { elder, sender, go, beginYounger } = await open();
  const running = await fabric.until(sender.send("agent:twin", "WORK", "long"));
  await fabric.eventually(() => expect(elder.load).toBe(1));
  await beginYounger();
  const closing = elder.close();
  await fabric.clock.advance(100);
  go.resolve();
  await fabric.until(closing);
  expect(await fabric.until(running.settled())).toEqual({ state: "done", result: "elder" });
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("younger"));
});

test("an elder life whose first handler comes later stands aside all the same", async () => {
  fabric = await openFabric(3);
  const [first, second, third] = fabric.networks as [Network, Network, Network];
  const elder = await fabric.until(first.agent("twin", life));
  const sender = await fabric.until(third.agent("sender"));
  await fabric.clock.advance(10);
  const younger = await fabric.until(second.agent("twin", life));
  younger.handle("WORK", () => "younger");
  await fabric.until(younger.ready());
  await fabric.eventually(() => {
    for (const network of fabric.networks) {
      expect(network.find({ id: "twin" })).toMatchObject([{ instance: second.instance }]);
    }
  });
  elder.handle("WORK", () => "elder");
  await fabric.until(elder.ready());
  for (const to of ["agent:twin", "type:worker", "skill:work"] as const) {
    expect(await outcomesOf(sender, to)).toEqual(by("younger"));
  }
  await fabric.until(younger.close());
  await fabric.eventually(() => {
    expect(first.find({ id: "twin" })).toMatchObject([{ instance: first.instance }]);
  });
  expect(await outcomesOf(sender, "agent:twin")).toEqual(by("elder"));
});
