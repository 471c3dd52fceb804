/** A process where nobody listened is passed over, and chosen again later though it has shown no sign of life. */
import { type Agent, type Broker, join, type Network } from "colloquy";
import { expect, onTestFinished, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

/** How long it is passed over. */
const suspicionMs = 1_500;

/** As it is, but what is published to the topics that `isDeaf` names is heard by nobody. */
function deafened(broker: Broker, isDeaf: (topic: string) => boolean): Broker {
  const { name, capabilities, topics, queues, store, log } = broker;
  const publish: Broker["topics"]["publish"] = (publications) => {
    for (const publication of publications) {
      if (isDeaf(publication.topic)) publication.onUnheard?.(false);
      else topics.publish([publication]);
    }
  };
  const subscribe: Broker["topics"]["subscribe"] = (...given) => topics.subscribe(...given);
  return {
    ...{ name, capabilities, queues, store, log, topics: { publish, subscribe } },
    statuses: (signal) => broker.statuses(signal),
    close: () => broker.close(),
  };
}

interface Pool {
  readonly clock: VirtualClock;
  readonly networks: readonly Network[];
  readonly asking: Network;
  readonly asker: Agent;
  /** From here on nobody hears what the asker's process sends to that one. */
  deafen(network: Network | undefined): void;
  join(): Promise<Network>;
}

async function open(): Promise<Pool> {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  const networks: Network[] = [];
  onTestFinished(async () => {
    await clock.until(Promise.all(networks.map((network) => network.close())));
  });
  const joinOver = async (own: Broker) => {
    const random = new SeededRandom(networks.length);
    const network = await clock.until(
      join({ broker: own, clock, random, copy: true, drainOnSignals: false }),
    );
    networks.push(network);
    return network;
  };
  let deaf: Network | undefined;
  const asking = await joinOver(
    deafened(broker, (topic) => deaf !== undefined && topic.includes(deaf.instance)),
  );
  const asker = await clock.until(asking.agent("asker"));
  const deafen = (network: Network | undefined) => {
    deaf = network;
  };
  return { clock, networks, asking, asker, deafen, join: () => joinOver(broker.connect()) };
}

test("for a second and a half, counted from the first time that nobody listened there", async () => {
  const { clock, networks, asking, asker, deafen, join } = await open();
  for (const id of ["one", "two"]) {
    const agent = await clock.until((await join()).agent(id, { type: "pool" }));
    agent.handle("who", () => id);
  }
  await clock.until(asking.waitFor({ type: "pool" }, { count: 2 }));
  const answers = async () => {
    const heard = new Set<unknown>();
    for (let n = 0; n < 4; n++) {
      const answer = asker.request("type:pool", "who", n, { strategy: "round-robin" });
      heard.add(await clock.until(answer));
    }
    return [...heard].sort();
  };
  expect(await answers()).toEqual(["one", "two"]);

  deafen(networks[1]);
  const beganMs = clock.monotonicMs();
  expect(await answers()).toEqual(["two"]);
  expect(asking.find({ type: "pool" })).toHaveLength(2);
  deafen(undefined);
  await clock.advance(beganMs + suspicionMs / 2 - clock.monotonicMs());
  expect(await answers()).toEqual(["two"]);
  await clock.advance(beganMs + suspicionMs + 100 - clock.monotonicMs());
  expect(await answers()).toEqual(["one", "two"]);
  expect(clock.monotonicMs() - beganMs).toBeLessThan(suspicionMs * 2);
});

test("also by a request that was refused elsewhere before, and goes on to the next", async () => {
  const { clock, asking, asker, deafen, join } = await open();
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const leaver = await clock.until((await join()).agent("leaver", { type: "pool", capacity: 1 }));
  leaver.handle("who", () => gate);
  const third = await clock.until((await join()).agent("third"));
  await clock.until(asking.waitFor({ id: "leaver" }));
  // The asker does not know of it: its own request waits there, and is told so.
  const before = third.request("agent:leaver", "who");
  await clock.advance(10);
  const asked = asker.request("type:pool", "who");
  await clock.advance(2_500);
  expect(leaver.load).toBe(2);

  const deaf = await join();
  await clock.until(deaf.agent("deaf", { type: "pool" }));
  deafen(deaf);
  const other = await clock.until((await join()).agent("other", { type: "pool" }));
  other.handle("who", () => "other");
  other.handle("long", () => gate);
  await clock.until(asking.waitFor({ type: "pool" }, { count: 3 }));
  // So that it is not the first choice.
  const long = asker.request("agent:other", "long");
  await clock.advance(10);
  const beganMs = clock.monotonicMs();
  const closing = leaver.close();
  expect(await clock.until(asked)).toBe("other");
  expect(clock.monotonicMs() - beganMs).toBeLessThan(1_000);
  release();
  await clock.until(Promise.all([before, long, closing]));
});
