/** The life of commands across real processes that ask, answer, stop and die. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Agent, Network, Receipt } from "colloquy";
import { expect } from "vitest";
import { claimMs } from "../support/claims.ts";
import { extent } from "../support/extent.ts";
import {
  kill,
  overAllPlaces,
  type ProcessFabric,
  withLease,
  withLongLease,
} from "../support/process-fabric.ts";

async function enter(fabric: ProcessFabric): Promise<[me: Agent, Network]> {
  const network = await fabric.join();
  return [await network.agent("me"), network];
}

async function logged(network: Network, stream: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { value } of network.log.read(stream)) values.push(value);
  return values;
}

async function question(receipt: Receipt, number: number): Promise<unknown> {
  for await (const update of receipt.updates()) {
    if (update.state === "waiting-input" && update.number === number) return update.question;
  }
  throw new Error(`never asked question ${number}`);
}

const cases = {
  "a handler's questions are answered from elsewhere, and outlive its process and the server, or the owner":
    async (fabric: ProcessFabric) => {
      const owner = await fabric.start("owner");
      const doomed = await fabric.start("clerk");
      const [me, network] = await enter(fabric);
      const receipt = await me.send("agent:clerk", "APPROVE", 7);
      const states: string[] = [];
      const following = (async () => {
        for await (const { state } of receipt.updates()) {
          if (states.at(-1) !== state) states.push(state);
        }
      })();
      expect(await question(receipt, 1)).toEqual({ who: 7 });
      expect(await network.track(receipt.id).answer("Ada")).toBe("accepted");
      expect(await question(receipt, 2)).toBe("sure?");
      await kill(doomed);
      await fabric.killCentre(owner);
      expect(await question(receipt, 2)).toBe("sure?");
      expect((await receipt.state()).state).toBe("waiting-input");
      expect(await receipt.answer(true)).toBe("accepted");
      await fabric.start("clerk");
      const result = { name: "Ada", sure: true };
      expect(await receipt.settled()).toEqual({ state: "done", result });
      expect(await logged(network, "approved")).toEqual([{ by: "clerk", ...result }]);
      await following;
      expect(states).toContain("waiting-input");
      expect(states.at(-1)).toBe("done");
    },

  "a handler runs through two deaths of the server, or two takeovers of a directory, and is started once":
    withLease(claimMs, async (fabric) => {
      const owner = await fabric.start("owner");
      const worker = await fabric.start("worker");
      const heirs = [await fabric.start("heir"), await fabric.start("last")];
      const [me, network] = await enter(fabric);
      const receipt = await me.send("agent:worker", "HELD");
      await fabric.heard("started");
      await fabric.killCentre(owner);
      // Longer than a new owner keeps back what nobody claims, or a server what nobody shows to be alive.
      await pause(claimMs + 1_000);
      await expect.poll(async () => (await receipt.state()).state).toBe("started");
      // Whoever owns the directory now: all who may but the worker and this process.
      await fabric.killCentre(...heirs);
      await pause(claimMs + 1_000);
      await expect.poll(async () => (await receipt.state()).state).toBe("started");
      worker.send("it may end");
      expect(await receipt.settled()).toMatchObject({ state: "done" });
      expect(fabric.told).toEqual(["started"]);
      expect(await logged(network, "ended")).toEqual(["worker"]);
    }),

  "a handler whose process is stopped for a while keeps its message": withLongLease(
    async (fabric) => {
      await fabric.start("owner");
      const worker = await fabric.start("worker");
      const [me] = await enter(fabric);
      const receipt = await me.send("agent:worker", "LONG", 500);
      await fabric.heard("started");
      worker.kill("SIGSTOP");
      await pause(3_000);
      worker.kill("SIGCONT");
      expect(await receipt.settled()).toMatchObject({ state: "done" });
      expect(fabric.told).toEqual(["started"]);
    },
  ),

  "a message that kills its handler's process each time is dead after three deaths": async (
    fabric: ProcessFabric,
  ) => {
    const before = await fabric.join();
    const sender = await before.agent("me");
    await before.mailboxes.declare("agent:lonely");
    const { id } = await sender.send("agent:lonely", "POISON");
    await before.close();
    for (let death = 1; death <= 3; death++) {
      const [, signal] = await once(fabric.begin("lonely"), "exit");
      expect(signal).toBe("SIGKILL");
    }
    // Over NATS it is judged when somebody receives there again.
    await fabric.start("lonely");
    const [, network] = await enter(fabric);
    const receipt = network.track(id);
    expect(await receipt.settled()).toMatchObject({ state: "dead" });
    const { value: letter } = await network.dead.list().next();
    expect(letter?.attempts.crashes).toBe(3);
  },

  "a command is cancelled across processes, and its handler's signal aborts": withLongLease(
    async (fabric) => {
      await fabric.start("owner");
      await fabric.start("clerk");
      const [me, network] = await enter(fabric);
      const receipt = await me.send("agent:clerk", "APPROVE", 1);
      await question(receipt, 1);
      expect(await receipt.cancel({ reason: "no need" })).toBe("accepted");
      expect(await receipt.settled()).toMatchObject({
        state: "cancelled",
        error: { code: "CANCELLED", message: "no need" },
      });
      expect(await logged(network, "approved")).toEqual([]);
      expect(await receipt.answer("late")).toBe("too-late");
    },
  ),
};

overAllPlaces(cases, {
  program: "test/network/programs/member.ts",
  every: extent({ ci: 1, here: 0 }),
  timeoutMs: 120_000,
});
