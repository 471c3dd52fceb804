/**
 * Hostile operations from a hub for a real client that waits for everything a hub can answer. Each link
 * has a seed of its own. What must hold:
 * - the client ends a link, if it does, for a typed reason that names the hub's mistake, and comes again;
 * - with a hub that behaves it then works as if nothing had been.
 */
import assert from "node:assert/strict";
import type { BrokerStatus, QueuedMessage } from "../../../src/broker/broker.ts";
import { writeWelcome } from "../../../src/broker/hub/operations/greeting.ts";
import { type HubBroker, openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { isColloquyError } from "../../../src/errors.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Link } from "../../../src/link/link.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { Draw } from "./draw.ts";
import { mutate } from "./mutations.ts";
import { operationsOf, toClient } from "./valid-operations.ts";

export interface ClientFuzzReport {
  readonly chunks: number;
  /** Links that the client ended, by the code and field it gave. */
  readonly refusals: ReadonlyMap<string, number>;
}

const chunksPerLink = 8;
const linksPerClient = 100;
const never = new AbortController().signal;
const message: QueuedMessage = {
  frame: Uint8Array.of(1),
  lane: 2,
  guarantee: "at-least-once",
  id: "",
};

export async function fuzzClient(chunks: number, firstSeed: number): Promise<ClientFuzzReport> {
  const refusals = new Map<string, number>();
  const { stackTraceLimit } = Error;
  // Refusals are the common case here, and most of their cost is a stack that nobody reads.
  Error.stackTraceLimit = 0;
  let sent = 0;
  for (let seed = firstSeed; sent < chunks; seed += linksPerClient) {
    const trial = new Trial(seed, refusals);
    await trial.run();
    sent += trial.chunks;
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { chunks: sent, refusals };
}

/** One client and its hubs: many that mean it no good, then one that does. */
class Trial {
  chunks = 0;
  readonly #clock = new VirtualClock();
  readonly #random = new SeededRandom(7);
  readonly #network = new MemoryNetwork({ clock: this.#clock, random: this.#random });
  readonly #broker = openMemoryBroker({ clock: this.#clock });
  readonly #hub = new Hub({ broker: this.#broker, clock: this.#clock, id: "hub" });
  readonly #refusals: Map<string, number>;
  readonly #firstSeed: number;
  #links = 0;

  constructor(firstSeed: number, refusals: Map<string, number>) {
    this.#firstSeed = firstSeed;
    this.#refusals = refusals;
  }

  async run(): Promise<void> {
    await this.#clock.until(this.#broker.queues.declare(["jobs"]));
    await this.#network.listen("hub", (link) => this.#serve(link));
    const connect = this.#network.connect("hub", "client");
    const client = await this.#clock.until(
      openHubBroker({ connect, clock: this.#clock, random: this.#random, name: "client" }),
    );
    const following = this.#follow(client);
    await this.#ask(client);
    while (this.#links <= linksPerClient) await this.#clock.advance(1_000);
    await this.#check(client);
    await this.#clock.until(client.close());
    await this.#clock.until(this.#hub.close());
    await this.#broker.close();
    await following;
  }

  #serve(link: Link): void {
    this.#links++;
    if (this.#links > linksPerClient) this.#hub.accept(link);
    else void this.#attack(link, this.#firstSeed + this.#links);
  }

  async #attack(link: Link, seed: number): Promise<void> {
    const draw = new Draw(seed);
    const received = link.receive()[Symbol.asyncIterator]();
    await received.next();
    link.send(welcome(this.#broker.capabilities));
    let left = false;
    void (async () => {
      while ((await received.next()).done !== true);
    })()
      .catch(() => {})
      .finally(() => {
        left = true;
      });
    for (let chunk = 0; chunk < chunksPerLink && !left; chunk++) {
      const operations = operationsOf(toClient, draw);
      link.send(chunk < chunksPerLink / 2 ? operations : mutate(operations, draw));
      this.chunks++;
      await new Promise<void>((resolve) => this.#clock.setTimer(1, resolve));
    }
    link.destroy();
  }

  /** Why sessions ended: by a link that was cut, or by a refusal with a type; never by a mistake of ours. */
  async #follow(client: HubBroker): Promise<void> {
    for await (const status of client.statuses(never)) {
      assert.ok(status.kind !== "closed" || isOrderly(status), `closed: ${text(status)}`);
      if (status.kind !== "lost" || !isColloquyError(status.cause)) {
        const cut = status.kind !== "lost" || String(status.cause).includes("the hub went away");
        assert.ok(
          cut || isLinkError(status.cause),
          `from seed ${this.#firstSeed}: ${text(status)}`,
        );
        continue;
      }
      const reason = `${status.cause.code} ${status.cause.message.split(":")[0]}`;
      this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
    }
  }

  /** Something of every kind that a hub can answer. What comes of it is the hub's to say. */
  async #ask({ topics, queues, store, log }: HubBroker): Promise<void> {
    const ignore = () => {};
    const asked: Promise<unknown>[] = [
      topics.subscribe("a.>", ignore, never),
      queues.enqueue("jobs", [message, message]),
      queues.settle([{ queue: "jobs", position: 1, fence: 1, outcome: { kind: "done" } }]),
      queues.track("jobs", 1, { wait: true }),
      queues.mailboxes(),
      ...(store === undefined ? [] : [store.get(["a"]), store.watch("", ignore, never)]),
      ...(log === undefined ? [] : [log.append("s", [Uint8Array.of(1)])]),
      (async () => {
        const options = { credit: 4, consumer: "fuzz" };
        for await (const _ of queues.receive("jobs", options, never));
      })(),
    ];
    for (const one of asked) one.catch(ignore);
    topics.publish([{ topic: "a.b", frame: Uint8Array.of(1), onUnheard: ignore }]);
    await this.#clock.settle();
  }

  async #check({ queues }: HubBroker): Promise<void> {
    await this.#clock.until(queues.declare(["check"]));
    const [stored] = await this.#clock.until(queues.enqueue("check", [message]));
    assert.equal(stored?.kind, "stored");
    const receiving = queues.receive("check", { credit: 1, consumer: "check" }, never);
    const { value } = await this.#clock.until(receiving[Symbol.asyncIterator]().next());
    const [delivery] = value ?? [];
    assert.ok(delivery);
    const settling = queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
    assert.deepEqual(await this.#clock.until(settling), [{ kind: "settled" }]);
  }
}

function welcome(capabilities: HubBroker["capabilities"]): Uint8Array {
  const writer = new FrameWriter();
  writeWelcome(writer, { hub: "evil", broker: "evil", capabilities, silenceMsMax: 30_000 });
  return writer.take();
}

function isOrderly(status: BrokerStatus): boolean {
  return status.kind === "closed" && status.cause === undefined;
}

function isLinkError(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("was cut");
}

function text(status: BrokerStatus): string {
  return "cause" in status ? String(status.cause) : status.kind;
}
