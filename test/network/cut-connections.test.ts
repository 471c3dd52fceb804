/** Connections to a server that break in the middle of every kind of exchange, on one side or on both. */
import { setTimeout as pause } from "node:timers/promises";
import { type Agent, join, type Network } from "colloquy";
import { FaultProxy, SeededRandom } from "colloquy/testing";
import { expect, test } from "vitest";
import { extent } from "../support/extent.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import type { Server } from "../support/servers/server.ts";

interface Side {
  readonly agent: Agent;
  readonly network: Network;
  cut(): void;
}

/** Two processes' worth of it, each behind a proxy of its own. */
class Wires {
  readonly asker: Side;
  readonly handler: Side;
  readonly #proxies: readonly FaultProxy[];
  #cuts = 0;

  private constructor(asker: Side, handler: Side, proxies: readonly FaultProxy[]) {
    this.asker = asker;
    this.handler = handler;
    this.#proxies = proxies;
  }

  static async open(server: Server, prefix: string): Promise<Wires> {
    const proxies: FaultProxy[] = [];
    const side = async (id: string): Promise<Side> => {
      const target = { port: server.port };
      const proxy = await FaultProxy.open({ target, random: new SeededRandom(proxies.length) });
      proxies.push(proxy);
      const url = server.placeUrl(prefix, 5_000, proxy.port);
      const network = await join({ url, drainOnSignals: false, drainMs: 200 });
      const agent = await network.agent(id);
      // Told to the other side, and not, in turn.
      let times = 0;
      return { network, agent, cut: () => proxy.cut(times++ % 2 === 0 ? "reset" : "fin") };
    };
    const [asker, handler] = [await side("asker"), await side("handler")];
    await asker.network.waitFor({ id: "handler" });
    return new Wires(asker, handler, proxies);
  }

  cut(which: Which): void {
    this.#cuts++;
    if (which !== "handler's") this.asker.cut();
    if (which !== "asker's") this.handler.cut();
  }

  get cuts(): number {
    return this.#cuts;
  }

  async close(): Promise<void> {
    await Promise.all([this.asker.network.close(), this.handler.network.close()]);
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}

type Which = "asker's" | "handler's" | "both";

/** However long a connection takes that was cut in the middle of its beginning. */
const untilDone = { retry: { attemptsMax: 20, baseMs: 20 }, idempotent: true } as const;

/** The answer may fail before the cut that is meant for it: another's cut came first. Then it is over, too. */
async function cutDuring<T>(answer: Promise<T>, cutMs: number, cut: () => void): Promise<T> {
  await Promise.allSettled([answer, pause(cutMs).then(cut)]);
  return answer;
}

const cases: Readonly<Record<string, (wires: Wires, which: Which) => Promise<void>>> = {
  "a request is answered, or fails with what is known, and is never started twice": async (
    wires,
    which,
  ) => {
    const starts = [0, 0, 0, 0];
    wires.handler.agent.handle("slow", async (input) => {
      const number = input as number;
      starts[number] = (starts[number] as number) + 1;
      await pause(150);
      return number;
    });
    const ask = (number: number) =>
      // Who is connecting again just then is not reached: that is told, and safe to repeat.
      wires.asker.agent.request("agent:handler", "slow", number, {
        retry: { attemptsMax: 20, baseMs: 20 },
      });
    const asking = [0, 40, 140, 150].map((cutMs, number) =>
      cutDuring(ask(number), cutMs, () => wires.cut(which)),
    );
    for (const [number, ending] of (await Promise.allSettled(asking)).entries()) {
      if (ending.status === "fulfilled") {
        expect([ending.value, starts[number]]).toEqual([number, 1]);
        continue;
      }
      // What was on its way when a connection broke is lost, nobody was heard to be there, or it was
      // so long until they met again that it had just begun.
      expect(ending.reason).toMatchObject({
        code: expect.stringMatching(/^(TIMEOUT|AGENT_UNREACHABLE)$/),
        details: { outcome: expect.stringMatching(/^(unknown|in-progress|done)$/) },
      });
      const { outcome } = ending.reason.details;
      expect(starts[number]).toBeLessThanOrEqual(1);
      if (outcome !== "unknown") expect(starts[number]).toBe(1);
    }
    wires.handler.agent.handle("there", () => {});
    await wires.asker.agent.request("agent:handler", "there", undefined, untilDone);
    starts[0] = 0;
    expect(await ask(0)).toBe(0);
    expect(starts[0]).toBe(1);
  },

  "a request that may be repeated is answered": async (wires, which) => {
    wires.handler.agent.handle("read", async (input) => {
      await pause(100);
      return input;
    });
    const asking = [0, 20, 90, 100].map((cutMs, number) => {
      const answer = wires.asker.agent.request("agent:handler", "read", number, untilDone);
      return cutDuring(answer, cutMs, () => wires.cut(which));
    });
    expect(await Promise.all(asking)).toEqual([0, 1, 2, 3]);
  },

  "a stream gives every chunk once and in order": async (wires, which) => {
    wires.handler.agent.handle("count", async function* () {
      for (let n = 1; n <= 200; n++) {
        await pause(2);
        yield n;
      }
      return "counted";
    });
    const stream = wires.asker.agent.stream("agent:handler", "count", undefined, { window: 8 });
    const chunks: unknown[] = [];
    for await (const chunk of stream) {
      if (chunks.push(chunk) % 60 === 0) wires.cut(which);
    }
    expect(chunks).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect(await stream.result).toBe("counted");
    expect(wires.cuts).toBe(3);
  },

  "a command is stored, done once, and its outcome told": async (wires, which) => {
    wires.handler.agent.handle("BOOK", async (number, { log }) => {
      await pause(5);
      log.append("booked", number);
      return number;
    });
    await wires.handler.agent.ready();
    const numbers = Array.from({ length: 60 }, (_, index) => index);
    const sending = numbers.map(async (number) => {
      await pause(number * 4);
      if (number % 20 === 10) wires.cut(which);
      const receipt = await wires.asker.agent.send("agent:handler", "BOOK", number);
      return await receipt.settled();
    });
    expect(await Promise.all(sending)).toEqual(
      numbers.map((result) => ({ state: "done", result })),
    );
    const booked: unknown[] = [];
    for await (const { value } of wires.asker.network.log.read("booked")) booked.push(value);
    expect((booked as number[]).sort((one, other) => one - other)).toEqual(numbers);
  },

  "a question of a request's handler is answered, where the request may be repeated": async (
    wires,
    which,
  ) => {
    wires.handler.agent.handle("paint", async (_input, { ask }) => [
      await ask("colour"),
      await ask("size"),
    ]);
    const asked: unknown[] = [];
    const onInput = async (question: unknown) => {
      asked.push(question);
      if (wires.cuts < 2) wires.cut(which);
      await pause(30);
      return `${question} it is`;
    };
    const answer = wires.asker.agent.request("agent:handler", "paint", 1, {
      onInput,
      ...untilDone,
    });
    expect(await answer).toEqual(["colour it is", "size it is"]);
    expect(new Set(asked)).toEqual(new Set(["colour", "size"]));
  },

  "a question of a command's handler is answered by who follows it": async (wires, which) => {
    wires.handler.agent.handle("APPROVE", async (_input, { ask }) => [
      await ask("who"),
      await ask("sure"),
    ]);
    await wires.handler.agent.ready();
    const receipt = await wires.asker.agent.send("agent:handler", "APPROVE");
    for await (const update of receipt.updates()) {
      if (update.state !== "waiting-input") continue;
      wires.cut(which);
      const { number, question } = update;
      expect(await receipt.answer(`${question}: I`, { number })).toBe("accepted");
    }
    expect(await receipt.settled()).toEqual({ state: "done", result: ["who: I", "sure: I"] });
  },

  "a command's handler learns that it was cancelled": async (wires, which) => {
    const events: string[] = [];
    wires.handler.agent.handle("WAIT", async (_input, { signal }) => {
      events.push("started");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      events.push("aborted");
    });
    await wires.handler.agent.ready();
    const receipt = await wires.asker.agent.send("agent:handler", "WAIT");
    await expect.poll(() => events).toEqual(["started"]);
    wires.cut(which);
    expect(await receipt.cancel()).toBe("accepted");
    expect(await receipt.settled()).toMatchObject({ state: "cancelled" });
    await expect.poll(() => events).toEqual(["started", "aborted"]);
  },

  "a subscription goes on, and hears nothing twice": async (wires, which) => {
    const heard: number[] = [];
    await wires.handler.agent.subscribe("news", (number) => heard.push(number as number));
    let last = 0;
    for (let round = 1; round <= 3; round++) {
      const before = heard.length;
      // What is published while a connection is broken may be lost: it is not kept.
      while (heard.length < before + 5) {
        await wires.asker.agent.publish("news", ++last);
        await pause(5);
      }
      wires.cut(which);
    }
    expect(heard).toEqual([...new Set(heard)].sort((one, other) => one - other));
  },
};

overEachServer((server, name) => {
  const every = extent({ ci: 1, here: 9 });
  let declared = name === "nats" ? 0 : 4;
  for (const [title, run] of Object.entries(cases)) {
    for (const which of ["asker's", "handler's", "both"] as const) {
      const number = declared++;
      if (number % every !== 0) continue;
      const connection =
        which === "both" ? "both connections break" : `the ${which} connection breaks`;
      test(`${title} when ${connection}`, { timeout: 60_000 }, async () => {
        const wires = await Wires.open(await server(), `cut-${number}`);
        try {
          await run(wires, which);
        } finally {
          await wires.close();
        }
      });
    }
  }
});
