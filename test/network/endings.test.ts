/** What becomes of requests and streams when real processes are killed. */
import type { Agent, ColloquyError, Network } from "colloquy";
import { expect } from "vitest";
import { extent } from "../support/extent.ts";
import { kill, overAllPlaces, type ProcessFabric } from "../support/process-fabric.ts";

/** This process comes when all are there. */
async function enter(fabric: ProcessFabric, count: number): Promise<[me: Agent, Network]> {
  const network = await fabric.join();
  const me = await network.agent("me");
  await network.waitFor({ type: "link" }, { count });
  return [me, network];
}

const cases = {
  "a handler's process that is killed ends requests and streams, and no timeout has to": async (
    fabric: ProcessFabric,
  ) => {
    await fabric.start("owner");
    const doomed = await fabric.start("doomed");
    const [me] = await enter(fabric, 2);
    const hanging = me.request("agent:doomed", "hang").catch((error: unknown) => error);
    const endless = me.stream("agent:doomed", "endless");
    const chunks: unknown[] = [];
    const began = performance.now();
    const reading = (async () => {
      for await (const chunk of endless) {
        chunks.push(chunk);
        // By then its sign that it is at work on the request has come, on the same way as the chunks.
        if (chunks.length > 20 && performance.now() - began > 3_000) doomed.kill("SIGKILL");
      }
    })().catch((error: unknown) => error);
    expect(await hanging).toMatchObject({
      code: "AGENT_UNREACHABLE",
      details: { outcome: "unknown" },
    });
    expect(await reading).toMatchObject({
      code: "STREAM_CUT",
      details: { received: chunks.length },
    });
    expect(chunks).toEqual(chunks.map((_, index) => index + 1));
  },

  "a stream goes on with another of its pool when its handler's process is killed, the owner of a directory":
    async (fabric: ProcessFabric) => {
      const first = await fabric.start("first");
      const [me, network] = await enter(fabric, 1);
      const reply = me.stream("type:link", "count", 300, { window: 16 });
      const chunks: unknown[] = [];
      for await (const chunk of reply) {
        chunks.push(chunk);
        if (chunks.length !== 50) continue;
        await fabric.start("second");
        await network.waitFor({ type: "link" }, { count: 2 });
        first.kill("SIGKILL");
      }
      expect(chunks).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
      expect(await reply.result).toBe("counted");
      expect(fabric.told.map((it) => it.replace(/[1-9]\d*$/, "n"))).toEqual([
        "first counts from 0",
        "second counts from n",
      ]);
    },

  "what an asker has under way is cancelled when its process is killed": async (
    fabric: ProcessFabric,
  ) => {
    await fabric.start("owner");
    const asker = await fabric.start("asker");
    await fabric.start("handler");
    const [, network] = await enter(fabric, 3);
    asker.send("agent:handler");
    await fabric.heard("handler started");
    await kill(asker);
    await fabric.heard("handler cleaned up");
    expect(await network.store.get("hung/handler")).toBeUndefined();
  },

  "a cancel goes through three processes, is acknowledged, and their cleanup runs": async (
    fabric: ProcessFabric,
  ) => {
    for (const id of ["first", "second", "third"]) await fabric.start(id);
    const [me, network] = await enter(fabric, 3);
    const call = me.call("agent:first", "pass", ["agent:second", "agent:third"]);
    call.result.catch(() => {});
    await fabric.heard("third started");
    expect(await call.cancel()).toBe("accepted");
    await fabric.heard("first cleaned up", "second cleaned up", "third cleaned up");
    expect(await network.cancel(call.id)).toBe("accepted");
    await expect(call.result).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await network.store.get("hung/third")).toBeUndefined();
  },

  "work that was left is found again by its id when the server, or the owner, was killed in between":
    async (fabric: ProcessFabric) => {
      const owner = await fabric.start("owner");
      await fabric.start("worker");
      const [me, network] = await enter(fabric, 2);
      const options = { timeoutMs: 3_000, onTimeout: "leave" } as const;
      const failure = await me
        .request("agent:worker", "hang", 1, options)
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "TIMEOUT", details: { outcome: "in-progress" } });
      const { id } = (failure as ColloquyError).details as { readonly id: string };
      await fabric.killCentre(owner);
      // However long either of them is away.
      const patient = { retry: { attemptsMax: 50, baseMs: 50, capMs: 500 }, idempotent: true };
      await me.request("agent:worker", "pid", undefined, patient);
      const again = network.attach(id);
      again.result.catch(() => {});
      expect(await network.cancel(id)).toBe("accepted");
      await expect(again.result).rejects.toMatchObject({ code: "CANCELLED" });
      await fabric.heard("worker cleaned up");
    },
};

overAllPlaces(cases, {
  program: "test/network/programs/link.ts",
  every: extent({ ci: 1, here: 0 }),
});
