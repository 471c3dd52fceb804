/**
 * G3: five flows with effects are run once undisturbed, to count the steps of their commits; then once
 * for each step, at which the process that owns the store dies, and once more for each, at which every
 * process does. Afterwards everything is sent again. Each effect must be there once.
 */
import { expect, test } from "vitest";
import type { Network } from "../../../src/network/network.ts";
import type { DiskStep } from "../../../src/testing/simulator/disk.ts";
import type { ProcessContext, Program } from "../../../src/testing/simulator/process.ts";
import { World } from "../../../src/testing/simulator/world.ts";

type Process = ProcessContext<never>;

interface Flow {
  readonly name: string;
  /** Agents and their handlers. */
  work(process: Process, net: Network): Promise<void>;
  /** Sends everything, under the same ids each time, and resolves when it has ended. */
  drive(net: Network): Promise<void>;
  /** What must be in the log "ledger", in any order, and in the store. */
  readonly ledger: readonly string[];
  readonly store?: Readonly<Record<string, unknown>>;
}

const ids = ["one", "two", "three"];
const retry = { attemptsMax: 50, baseMs: 5, capMs: 20, budget: Number.POSITIVE_INFINITY };

/** Sends each id exactly once to `to`, and waits for all of them to end. */
async function sendAll(net: Network, to: "agent:first", name: string): Promise<void> {
  const sender = await net.agent("sender");
  await Promise.all(
    ids.map(async (id) => {
      const receipt = await sender.send(to, name, id, { guarantee: "exactly-once", id });
      await receipt.settled();
    }),
  );
}

const flows: readonly Flow[] = [
  {
    name: "a command that writes into the log and the store",
    async work(_process, net) {
      const agent = await net.agent("first");
      agent.handle<string>("BOOK", (id, { log, store }) => {
        log.append("ledger", id);
        store.put(`state/${id}`, id);
      });
      await agent.ready();
    },
    drive: (net) => sendAll(net, "agent:first", "BOOK"),
    ledger: ids,
    store: { "state/one": "one", "state/two": "two", "state/three": "three" },
  },
  {
    name: "a command that sends another one",
    async work(_process, net) {
      const [first, second] = [await net.agent("first"), await net.agent("second")];
      first.handle<string>("PASS", (id, { log, send }) => {
        log.append("ledger", `passed ${id}`);
        send("agent:second", "BOOK", id);
      });
      second.handle<string>("BOOK", (id, { log }) => log.append("ledger", id));
      await Promise.all([first.ready(), second.ready()]);
    },
    drive: (net) => sendAll(net, "agent:first", "PASS"),
    ledger: [...ids, ...ids.map((id) => `passed ${id}`)],
  },
  {
    name: "a command that fails twice after it has staged its effects",
    async work(_process, net) {
      const agent = await net.agent("first");
      agent.handle<string>(
        "BOOK",
        (id, { log, attempt }) => {
          log.append("ledger", id);
          if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
        },
        { retry },
      );
      await agent.ready();
    },
    drive: (net) => sendAll(net, "agent:first", "BOOK"),
    ledger: ids,
  },
  {
    name: "commands that change one balance",
    async work(_process, net) {
      const agent = await net.agent("first", { capacity: 3 });
      agent.handle<string>(
        "DEPOSIT",
        async (id, { log, store }) => {
          const balance = await store.get("balance");
          const total = ((balance?.value as number | undefined) ?? 0) + 5;
          store.put("balance", total, { ifRevision: balance?.revision ?? 0 });
          log.append("ledger", id);
        },
        { retry },
      );
      await agent.ready();
    },
    drive: (net) => sendAll(net, "agent:first", "DEPOSIT"),
    ledger: ids,
    store: { balance: 15 },
  },
  {
    name: "commands that die and are replayed once what was wrong is mended",
    async work(_process, net) {
      const agent = await net.agent("first");
      agent.handle<string>(
        "BOOK",
        async (id, { log, store }) => {
          log.append("ledger", id);
          if ((await store.get("mended")) === undefined) throw new Error("not mended yet");
        },
        { retry: { ...retry, attemptsMax: 1 } },
      );
      await agent.ready();
    },
    async drive(net) {
      await sendAll(net, "agent:first", "BOOK");
      await net.store.put("mended", true);
      const letters: number[] = [];
      for await (const { id } of net.dead.list()) letters.push(id);
      await net.dead.replay(letters);
    },
    ledger: ids,
  },
];

interface Moment {
  /** Counts the steps of all commits, from 1. */
  readonly step: number;
  readonly dies: "owner" | "everybody";
}

interface Ending {
  /** Steps of commits until the flow had ended for the first time. */
  readonly steps: number;
  readonly ledger: readonly string[];
  readonly store: Readonly<Record<string, unknown>>;
}

/** Long enough for every retry, and for what a dead process held to be given to others. */
const settleMs = 20_000;

async function run(flow: Flow, moment?: Moment): Promise<Ending> {
  const names = ["keeper", "worker", "driver"];
  let driven = 0;
  const programs: Record<string, Program<never>> = {
    keeper: async (process) => void (await process.join()),
    worker: async (process) => flow.work(process, await process.join()),
    driver: async (process) => {
      const net = await process.join();
      await net.waitFor({ id: "first" });
      await flow.drive(net);
      driven++;
    },
  };
  const world = new World<never>({ seed: 1, programs, conditions: { latencyMs: 1 } });
  let steps = 0;
  world.disk.onStep = (_reached: DiskStep) => {
    steps++;
    if (moment === undefined || steps !== moment.step) return;
    const victims = moment.dies === "owner" ? [world.owner ?? "keeper"] : names;
    for (const name of victims) world.kill(name);
    for (const name of victims) world.clock.setTimer(100, () => world.start(name));
    throw new Error("the process died in the middle of a commit");
  };
  world.start("keeper");
  await world.clock.advance(100);
  for (const name of names) world.start(name);
  while (driven === 0) await world.clock.advance(500);
  const stepsDriven = steps;
  await world.clock.advance(settleMs);

  const observer = world.enter("observer");
  const net = await world.clock.until(observer.join());
  await world.clock.until(flow.drive(net));
  await world.clock.advance(settleMs);
  const ledger: string[] = [];
  const reading = (async () => {
    for await (const { value } of net.log.read("ledger")) ledger.push(value as string);
  })();
  await world.clock.until(reading);
  const store: Record<string, unknown> = {};
  for (const key of Object.keys(flow.store ?? {})) {
    store[key] = (await world.clock.until(net.store.get(key)))?.value;
  }
  return { steps: stepsDriven, ledger, store };
}

for (const flow of flows) {
  test(`G3: ${flow.name}: a crash at every step of every commit, and no effect is there twice`, {
    timeout: 240_000,
  }, async () => {
    const expected = { ledger: [...flow.ledger].sort(), store: flow.store ?? {} };
    const undisturbed = await run(flow);
    expect(check(undisturbed)).toEqual(expected);
    for (const dies of ["owner", "everybody"] as const) {
      for (let step = 1; step <= undisturbed.steps; step++) {
        const ending = await run(flow, { step, dies });
        expect(check(ending), `${dies} at step ${step}`).toEqual(expected);
      }
    }
  });
}

function check({ ledger, store }: Ending): Pick<Ending, "ledger" | "store"> {
  return { ledger: [...ledger].sort(), store };
}
