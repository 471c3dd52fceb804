/** How a request or stream ends when a process, a link or the hub does. */
import type { Agent, Context, Network } from "colloquy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HubFabric, openHubFabric } from "../../support/hub-fabric.ts";

let fabric: HubFabric;
let asking: Network;
let asker: Agent;

beforeEach(async () => {
  fabric = await openHubFabric();
  asking = await fabric.join("asking");
  asker = await fabric.until(asking.agent("asker"));
});
afterEach(() => fabric.close());

const hang = () => new Promise<never>(() => {});

async function member(name: string, type = "pool"): Promise<{ net: Network; agent: Agent }> {
  const net = await fabric.join(name);
  const agent = await fabric.until(net.agent(name, { type }));
  await fabric.clock.advance(50);
  return { net, agent };
}

/** How long it took, in virtual time, until `promise` rejected, and with what. */
async function failure(promise: Promise<unknown>): Promise<{ error: unknown; afterMs: number }> {
  const fromMs = fabric.clock.monotonicMs();
  const error = await fabric.until(promise.catch((thrown: unknown) => thrown));
  return { error, afterMs: fabric.clock.monotonicMs() - fromMs };
}

describe("a handler's process that dies", () => {
  test("in the middle of a request ends the wait as soon as the hub knows, as unknown", async () => {
    const { net, agent } = await member("worker");
    agent.handle("hang", hang);
    const hanging = asker.request("agent:worker", "hang");
    await fabric.clock.advance(2_000);
    fabric.kill("worker", net);
    const { error, afterMs } = await failure(hanging);
    expect(error).toMatchObject({
      code: "AGENT_UNREACHABLE",
      retryable: false,
      details: { outcome: "unknown", agent: "worker", id: expect.stringContaining(net.instance) },
    });
    expect(afterMs).toBeLessThan(1_500);
    expect(asking.find({ id: "worker" })).toEqual([]);
  });

  test("in the middle of a stream cuts it, after what was read", async () => {
    const { net, agent } = await member("worker");
    agent.handle("count", async function* () {
      yield 1;
      yield 2;
      await hang();
    });
    const reply = asker.stream("agent:worker", "count");
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of reply) chunks.push(chunk);
    })();
    await fabric.clock.advance(100);
    fabric.kill("worker", net);
    const { error, afterMs } = await failure(reading);
    expect(error).toMatchObject({ code: "STREAM_CUT", details: { received: 2 } });
    expect(afterMs).toBeLessThan(1_500);
    expect(chunks).toEqual([1, 2]);
  });

  test("before a request reached it has another of the pool take it", async () => {
    const [first, second] = [await member("first"), await member("second")];
    first.agent.handle("who", () => "first");
    second.agent.handle("who", () => "second");
    fabric.kill("first", first.net);
    // The hub takes it for dead, and what is sent to it finds nobody, before its card is gone.
    await fabric.clock.advance(1_003);
    const answers = [1, 2, 3].map(() => asker.request("type:pool", "who"));
    expect(await fabric.until(Promise.all(answers))).toEqual(["second", "second", "second"]);
  });
});

test("an agent that closes hands what waits for it to another of the pool", async () => {
  const [first, second] = [await member("first"), await member("second")];
  const single = await fabric.until(first.net.agent("single", { type: "narrow", capacity: 1 }));
  const spare = await fabric.until(second.net.agent("spare", { type: "narrow", capacity: 1 }));
  await fabric.clock.advance(50);
  let release: () => void = () => {};
  single.handle("who", () => new Promise((resolve) => (release = () => resolve("single"))));
  spare.handle("who", () => "spare");
  const running = asker.request("agent:single", "who");
  await fabric.clock.advance(50);
  const waiting = asker.request("agent:single", "who");
  await fabric.clock.advance(50);
  const closing = single.close();
  await expect(fabric.until(waiting)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    retryable: true,
    details: { outcome: "not-started" },
  });
  release();
  expect(await fabric.until(running)).toBe("single");
  await fabric.until(closing);
});

test("an asker's process that dies has its requests cancelled, and what they started, cleanup included", async () => {
  const worker = await member("worker");
  const helper = await member("helper");
  const ended: string[] = [];
  const untilAborted =
    (name: string) =>
    async (_input: unknown, { signal }: Context) => {
      try {
        await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
      } finally {
        ended.push(name);
      }
    };
  helper.agent.handle("deep", untilAborted("deep"));
  worker.agent.handle("hang", async (input, context) => {
    const deeper = context.request("agent:helper", "deep").catch(({ code }) => ended.push(code));
    await untilAborted("hang")(input, context).catch(() => {});
    await deeper;
  });
  const dying = await fabric.join("dying");
  const lonely = await fabric.until(dying.agent("lonely"));
  await fabric.clock.advance(50);
  lonely.request("agent:worker", "hang").catch(() => {});
  await fabric.clock.advance(1_000);
  fabric.kill("dying", dying);
  await fabric.clock.advance(1_500);
  expect([...ended].sort()).toEqual(["CANCELLED", "deep", "hang"]);
});

test("a handler's link that breaks and comes back loses no answer, nor a request on its way", async () => {
  const { agent } = await member("worker");
  let release: () => void = () => {};
  let starts = 0;
  agent.handle("slow", () => {
    starts++;
    return new Promise((resolve) => (release = () => resolve("slow")));
  });
  agent.handle("quick", () => ++starts && "quick");
  const slow = asker.request("agent:worker", "slow");
  await fabric.clock.advance(100);
  fabric.network.cut("worker");
  release();
  const quick = asker.request("agent:worker", "quick");
  expect(await fabric.until(Promise.all([slow, quick]))).toEqual(["slow", "quick"]);
  expect(starts).toBe(2);
  expect(fabric.clock.monotonicMs()).toBeLessThan(3_000);
});

test("a hub that is replaced loses neither requests nor chunks, in whatever state they are", async () => {
  const { agent } = await member("worker");
  let starts = 0;
  agent.handle("late", async () => {
    starts++;
    await new Promise<void>((resolve) => fabric.clock.setTimer(1_500, resolve));
    return "late";
  });
  agent.handle("count", async function* () {
    for (let n = 1; n <= 50; n++) {
      await new Promise<void>((resolve) => fabric.clock.setTimer(20, resolve));
      yield n;
    }
    return "counted";
  });
  const late = asker.request("agent:worker", "late");
  const reply = asker.stream("agent:worker", "count", undefined, { window: 8 });
  const chunks: unknown[] = [];
  const reading = (async () => {
    for await (const chunk of reply) chunks.push(chunk);
  })();
  await fabric.clock.advance(300);
  await fabric.killHub();
  await fabric.clock.advance(200);
  await fabric.openHub();
  expect(await fabric.until(late)).toBe("late");
  await fabric.until(reading);
  expect(chunks).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  expect(await fabric.until(reply.result)).toBe("counted");
  expect(starts).toBe(1);
});

describe("a handler's process that finds the new hub three seconds after the others", () => {
  /** Asked something that it is at work on, and not there yet. */
  async function late() {
    const { agent } = await member("worker");
    const go = Promise.withResolvers<string>();
    agent.handle("work", (_input, { signal }) => {
      signal.addEventListener("abort", () => go.reject(signal.reason));
      return go.promise;
    });
    const call = asker.call("agent:worker", "work");
    await fabric.clock.advance(2_000);
    await fabric.killHub();
    fabric.network.block("worker", "hub");
    fabric.network.block("hub", "worker");
    await fabric.openHub();
    await fabric.clock.advance(500);
    expect(asking.status.kind).toBe("ready");
    const comesBack = async () => {
      await fabric.clock.advance(2_500);
      fabric.network.heal();
    };
    return { call, go, comesBack };
  }

  test("is waited for by who has asked it, and by who attaches", async () => {
    const { call, go, comesBack } = await late();
    const waits = Promise.all([call.result, asking.attach(call.id).result]);
    await comesBack();
    go.resolve("well");
    expect(await fabric.until(waits)).toEqual(["well", "well"]);
  });

  test("is told what was cancelled, and says what came of it", async () => {
    const { call, comesBack } = await late();
    const ended = expect(call.result).rejects.toMatchObject({ code: "CANCELLED" });
    const cancelling = asking.cancel(call.id);
    await comesBack();
    expect(await fabric.until(cancelling)).toBe("accepted");
    await fabric.until(ended);
  });

  test("is not waited for much longer than that", async () => {
    const { call } = await late();
    const { error, afterMs } = await failure(call.result);
    expect(error).toMatchObject({ code: "AGENT_UNREACHABLE", details: { outcome: "unknown" } });
    expect(afterMs).toBeLessThan(4_000);
    fabric.network.heal();
  });
});

describe("a stream whose handler can go on", () => {
  const last = 60;
  const everything = Array.from({ length: last }, (_, index) => index + 1);

  /** Counts to `last`, with a pause behind every chunk. */
  function countWith(agent: Agent, starts: number[], resumable = true): void {
    agent.handle(
      "count",
      async function* (_input, { resumeFrom }: Context) {
        starts.push(resumeFrom);
        for (let n = resumeFrom + 1; n <= last; n++) {
          await new Promise<void>((resolve) => fabric.clock.setTimer(20, resolve));
          yield n;
        }
        return "counted";
      },
      { resumable },
    );
  }

  function read(to: "agent:worker" | "type:pool", timeoutMs = 30_000) {
    const reply = asker.stream(to, "count", undefined, { window: 8, timeoutMs });
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of reply) chunks.push(chunk);
      return reply.result;
    })();
    reading.catch(() => {});
    return { chunks, reading };
  }

  test("goes on with the next life of its agent, behind the last chunk that was read", async () => {
    const { net, agent } = await member("worker");
    const starts: number[] = [];
    countWith(agent, starts);
    const { chunks, reading } = read("agent:worker");
    await fabric.clock.advance(300);
    fabric.kill("worker", net);
    await fabric.clock.advance(3_000);
    const next = await fabric.join("worker again");
    const heir = await fabric.until(next.agent("worker", { type: "pool" }));
    // In its next life the agent is there before its handlers are.
    await fabric.clock.advance(200);
    countWith(heir, starts);
    expect(await fabric.until(reading)).toBe("counted");
    expect(chunks).toEqual(everything);
    expect(starts).toHaveLength(2);
    expect(starts[1]).toBeGreaterThan(5);
  });

  test("goes on at once with another of its pool, as often as it takes", async () => {
    const starts: number[] = [];
    const pool = [await member("a"), await member("b"), await member("c")];
    for (const { agent } of pool) countWith(agent, starts);
    const { chunks, reading } = read("type:pool");
    for (let kill = 0; kill < 2; kill++) {
      await fabric.clock.advance(300);
      const working = pool.find(({ agent }) => agent.load > 0);
      if (working === undefined) throw new Error("nobody is at work");
      pool.splice(pool.indexOf(working), 1);
      fabric.kill(working.agent.id, working.net);
      await fabric.clock.advance(1_500);
    }
    expect(await fabric.until(reading)).toBe("counted");
    expect(chunks).toEqual(everything);
    expect(starts).toHaveLength(3);
  });

  test("also where its process leaves in order", async () => {
    const starts: number[] = [];
    const [first, second] = [await member("worker"), await member("other")];
    countWith(first.agent, starts);
    const { chunks, reading } = read("type:pool");
    await fabric.clock.advance(300);
    countWith(second.agent, starts);
    await fabric.until(first.net.close());
    expect(await fabric.until(reading)).toBe("counted");
    expect(chunks).toEqual(everything);
  });

  test("is cut when nobody comes for as long as silence is allowed", async () => {
    const { net, agent } = await member("worker");
    countWith(agent, []);
    const { reading } = read("agent:worker", 6_000);
    await fabric.clock.advance(300);
    fabric.kill("worker", net);
    const { error, afterMs } = await failure(reading);
    expect(error).toMatchObject({ code: "STREAM_CUT" });
    expect(afterMs).toBeGreaterThan(6_000);
    expect(afterMs).toBeLessThan(8_000);
  });

  test("asks its own questions, and gets no answer to those of the handler before it", async () => {
    const asked: unknown[] = [];
    const answers = new Map<unknown, (answer: unknown) => void>();
    const inquisitive = async (name: string) => {
      const it = await member(name);
      it.agent.handle(
        "interview",
        async function* (_input, { resumeFrom, ask }: Context) {
          for (const question of ["first", "second"].slice(resumeFrom)) {
            yield [name, await ask(`${question} of ${name}`)];
          }
          return "over";
        },
        { resumable: true },
      );
      return it;
    };
    const first = await inquisitive("a");
    const reply = asker.stream("type:pool", "interview", undefined, {
      onInput: (question) => {
        asked.push(question);
        return new Promise((resolve) => answers.set(question, resolve));
      },
    });
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of reply) chunks.push(chunk);
      return reply.result;
    })();
    await fabric.clock.advance(100);
    answers.get("first of a")?.("1");
    await fabric.clock.advance(100);
    expect(asked).toEqual(["first of a", "second of a"]);
    fabric.kill("a", first.net);
    await inquisitive("b");
    await fabric.clock.advance(3_000);
    expect(asked).toEqual(["first of a", "second of a", "second of b"]);
    answers.get("second of a")?.("too late");
    await fabric.clock.advance(100);
    answers.get("second of b")?.("2");
    expect(await fabric.until(reading)).toBe("over");
    expect(chunks).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
  });

  test("is not begun elsewhere once its reader has given up, be it before that is certain", async () => {
    const { net, agent } = await member("worker");
    const starts: number[] = [];
    countWith(agent, starts);
    const spare = await member("spare", "spare");
    const reply = asker.stream("agent:worker", "count", undefined, { window: 1, timeoutMs: 900 });
    await fabric.until(reply[Symbol.asyncIterator]().next());
    fabric.kill("worker", net);
    // The next life is there as soon as it is known that the one before is gone.
    const heir = await fabric.until(spare.net.agent("worker"));
    countWith(heir, starts);
    await expect(fabric.until(reply.result)).rejects.toMatchObject({ code: expect.any(String) });
    await fabric.clock.advance(5_000);
    expect(starts).toEqual([0]);
    expect(heir.load).toBe(0);
  });

  test("is cut, and not started again, where the next one cannot go on", async () => {
    const { net, agent } = await member("worker");
    const starts: number[] = [];
    countWith(agent, starts);
    const { reading } = read("agent:worker");
    await fabric.clock.advance(300);
    fabric.kill("worker", net);
    const next = await fabric.join("worker again");
    countWith(await fabric.until(next.agent("worker")), starts, false);
    await expect(fabric.until(reading)).rejects.toMatchObject({
      code: "STREAM_CUT",
      details: { resumable: false },
    });
    expect(starts).toEqual([0]);
  });
});

test("a deadline aborts the handler's signal when it passes, also where nobody can tell the handler", async () => {
  const { agent } = await member("worker");
  let reason: unknown;
  agent.handle("hang", (_input, { signal }) => {
    signal.addEventListener("abort", () => {
      reason = signal.reason;
    });
    return hang();
  });
  const late = asker.request("agent:worker", "hang", undefined, { deadlineMs: 3_000 });
  late.catch(() => {});
  await fabric.clock.advance(100);
  await fabric.killHub();
  await fabric.clock.advance(2_500);
  expect(reason).toBeUndefined();
  await fabric.clock.advance(1_000);
  expect(reason).toMatchObject({ code: "TIMEOUT", details: { deadline: true } });
  await expect(fabric.until(late)).rejects.toMatchObject({
    code: "TIMEOUT",
    // The handler's process had not said yet that it started, and cannot be asked.
    details: { deadline: true, outcome: "unknown" },
  });
  await fabric.openHub();
});

test("a stream whose reader has attached and is gone with its process is cancelled after a while", async () => {
  for (const handling of ["worker", "asking"]) {
    const { net, agent } =
      handling === "asking"
        ? { net: asking, agent: await fabric.until(asking.agent("writer")) }
        : await member(handling);
    let isOver = false;
    agent.handle("count", async function* () {
      try {
        for (let n = 1; ; n++) yield n;
      } finally {
        isOver = true;
      }
    });
    const reply = asker.stream(`agent:${agent.id}`, "count", undefined, { window: 4 });
    expect(await fabric.until(reply[Symbol.asyncIterator]().next())).toMatchObject({ value: 1 });
    const reading = await fabric.join(`reader of ${handling}`);
    const after = reply.received;
    const again = reading.attach(reply.id, { after, window: 4 });
    expect(await fabric.until(again[Symbol.asyncIterator]().next())).toMatchObject({
      value: after + 1,
    });
    await expect(fabric.until(reply.result)).rejects.toMatchObject({ code: "CONFLICT" });
    fabric.kill(`reader of ${handling}`, reading);
    await fabric.clock.advance(25_000);
    expect(isOver).toBe(false);
    await fabric.clock.advance(10_000);
    expect(isOver).toBe(true);
    expect(agent.load).toBe(0);
    expect(net.status).toEqual({ kind: "ready" });
  }
});

test("a reader whose link was down when another took its stream over is told so, and disturbs nobody", async () => {
  const { agent } = await member("worker");
  agent.handle("count", async function* () {
    for (let n = 1; n <= 100; n++) {
      yield n;
      await new Promise<void>((resolve) => fabric.clock.setTimer(500, resolve));
    }
    return "counted";
  });
  const reply = asker.stream("agent:worker", "count", undefined, { timeoutMs: 5_000 });
  expect(await fabric.until(reply[Symbol.asyncIterator]().next())).toMatchObject({ value: 1 });
  const other = await fabric.join("other");
  fabric.network.block("asking", "hub");
  fabric.network.block("hub", "asking");
  fabric.network.cut("asking");
  await fabric.clock.advance(100);
  const chunks: unknown[] = [];
  const again = other.attach(reply.id, { after: 1 });
  const reading = (async () => {
    for await (const chunk of again) chunks.push(chunk);
    return again.result;
  })();
  await fabric.clock.advance(500);
  fabric.network.heal();
  await expect(fabric.until(reply.result)).rejects.toMatchObject({ code: "CONFLICT" });
  expect(reply.received).toBe(1);
  expect(await fabric.until(reading)).toBe("counted");
  expect(chunks).toEqual(Array.from({ length: 99 }, (_, index) => index + 2));
});
