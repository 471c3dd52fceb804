import { once } from "node:events";
import { type Agent, isColloquyError, type Network } from "colloquy";
import { expect } from "vitest";
import { extent } from "../support/extent.ts";
import {
  kill,
  overAllPlaces,
  type ProcessFabric,
  withLongLease,
} from "../support/process-fabric.ts";

async function enter(fabric: ProcessFabric): Promise<[me: Agent, Network]> {
  const network = await fabric.join();
  return [await network.agent("me"), network];
}

async function bookings(network: Network): Promise<number[]> {
  const booked: number[] = [];
  for await (const { value } of network.log.read("bookings")) {
    booked.push((value as { readonly n: number }).n);
  }
  return booked;
}

const cases = {
  "agents of several processes find one another and talk": async (fabric: ProcessFabric) => {
    const [first, second] = [await fabric.start("first"), await fabric.start("second")];
    const [me, network] = await enter(fabric);
    await network.waitFor({ type: "member" }, { count: 2 });
    expect(await me.request("agent:first", "pid")).toBe(first.pid);
    expect(await me.request("agent:second", "pid")).toBe(second.pid);
    const chunks: unknown[] = [];
    for await (const chunk of me.stream("agent:second", "count", 20)) chunks.push(chunk);
    expect(chunks).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    const receipt = await me.send("type:member", "BOOK", { n: 1 });
    expect(receipt.durability).toBe("os");
    expect(await receipt.settled()).toEqual({ state: "done", result: undefined });
    expect(await bookings(network)).toEqual([1]);
  },

  "when the server, or the owner, is killed, requests, streams and commands under way come to their end":
    async (fabric: ProcessFabric) => {
      const owner = await fabric.start("owner");
      await fabric.start("other");
      const [me, network] = await enter(fabric);
      await network.waitFor({ type: "member" }, { count: 2 });

      const slow = Array.from({ length: 20 }, (_, n) => me.request("agent:other", "slow", 50 * n));
      const chunks: unknown[] = [];
      const stream = me.stream("agent:other", "count", 200, { window: 16 });
      const reading = (async () => {
        for await (const chunk of stream) chunks.push(chunk);
      })();
      const sent = Array.from({ length: 300 }, (_, n) =>
        me.send("type:member", "BOOK", { n }, { guarantee: "exactly-once" }),
      );
      await sent[50];
      await fabric.killCentre(owner);

      const receipts = await Promise.all(sent);
      const outcomes = await Promise.all(receipts.map((receipt) => receipt.settled()));
      expect(outcomes.filter(({ state }) => state !== "done")).toEqual([]);
      expect((await bookings(network)).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 300 }, (_, n) => n),
      );
      expect(await Promise.all(slow)).toEqual(slow.map((_, n) => `other after ${50 * n}`));
      await reading;
      expect(chunks).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
      expect(await stream.result).toBe("counted");
    },

  "a request to a process that is gone fails at once, with what is known": async (
    fabric: ProcessFabric,
  ) => {
    await fabric.start("owner");
    const doomed = await fabric.start("doomed");
    const [me, network] = await enter(fabric);
    await network.waitFor({ id: "doomed" });
    await kill(doomed);
    // Until the end of its connection is known, what is sent there is lost, and that is "unknown".
    let failure: unknown;
    do {
      failure = await me
        .request("agent:doomed", "pid", 0, { timeoutMs: 200 })
        .catch((error) => error);
    } while (isColloquyError(failure) && failure.details["outcome"] === "unknown");
    expect(failure).toMatchObject({
      code: "AGENT_UNREACHABLE",
      details: { outcome: "not-started" },
    });
  },

  "a command whose handler's process is killed is handled by another": async (
    fabric: ProcessFabric,
  ) => {
    await fabric.start("owner");
    const doomed = await fabric.start("doomed");
    const [me, network] = await enter(fabric);
    const receipt = await me.send("agent:doomed", "LONG", 60_000);
    await fabric.heard("started");
    await kill(doomed);
    const heir = await network.agent("doomed", { type: "member" });
    const attempts: number[] = [];
    heir.handle("LONG", (_input, { attempt }) => {
      attempts.push(attempt);
      return "by the heir";
    });
    expect(await receipt.settled()).toEqual({ state: "done", result: "by the heir" });
    expect(attempts).toEqual([2]);
  },

  "SIGTERM lets a command under way end before the process does": withLongLease(async (fabric) => {
    await fabric.start("owner");
    const leaving = await fabric.start("leaving");
    const [me] = await enter(fabric);
    const receipt = await me.send("agent:leaving", "LONG", 500);
    await fabric.heard("started");
    const exited = once(leaving, "exit");
    leaving.kill("SIGTERM");
    expect(await receipt.settled()).toMatchObject({ state: "done" });
    expect(await exited).toEqual([null, "SIGTERM"]);
  }),

  "agents of two and of three processes that wait for one another are told so, not timed out":
    async (fabric: ProcessFabric) => {
      for (const id of ["a", "b", "c"]) await fabric.start(id, "1");
      const [me, network] = await enter(fabric);
      await network.waitFor({ type: "member" }, { count: 3 });
      const pass = (...way: readonly string[]) =>
        me.request(
          "agent:a",
          "pass",
          way.map((id) => `agent:${id}`),
        );
      for (const way of [
        ["b", "a"],
        ["b", "c", "a"],
      ]) {
        const path = ["a", ...way].map((agent) => ({ agent, name: "pass" }));
        await expect(pass(...way)).rejects.toMatchObject({ code: "DEADLOCK", details: { path } });
      }
      expect(await pass("b", "c")).toBe("done");
    },
};

overAllPlaces(cases, {
  program: "test/network/programs/member.ts",
  every: extent({ ci: 1, here: 6 }),
});
