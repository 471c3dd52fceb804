/**
 * Hostile operations for a real hub. Each link has a seed of its own; what comes over it is valid in
 * form and senseless in order, half of it damaged. What must hold:
 * - the hub ends a link, if it does, with a GOODBYE that names the client's mistake, and no other link;
 * - no answer says that the hub itself broke;
 * - a client that behaves is served all the while.
 */
import assert from "node:assert/strict";
import { readReply } from "../../../src/broker/hub/operations/call.ts";
import { readGoodbye } from "../../../src/broker/hub/operations/greeting.ts";
import { sessionLimits } from "../../../src/broker/hub/operations/limits.ts";
import { type HubBroker, openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { Hub } from "../../../src/hub/hub.ts";
import { frameTypes } from "../../../src/message/frame.ts";
import { FrameParser } from "../../../src/message/frame-parser.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RawClient, someone } from "../../hub/support/raw-client.ts";
import { Draw } from "./draw.ts";
import { mutate } from "./mutations.ts";
import { operationsOf, toHub } from "./valid-operations.ts";

export interface HubFuzzReport {
  readonly chunks: number;
  /** Links that the hub ended, by the code and field it gave. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Links that were still served after everything that was sent. */
  readonly survived: number;
  readonly slowest: { readonly seed: number; readonly ms: number };
}

const chunksPerLink = 8;
/** Links between two proofs that others are served. */
const linksPerCheck = 500;

export async function fuzzHub(chunks: number, firstSeed: number): Promise<HubFuzzReport> {
  const world = new World();
  await world.open();
  const refusals = new Map<string, number>();
  let survived = 0;
  let sent = 0;
  let slowest = { seed: firstSeed, ms: 0 };
  const { stackTraceLimit } = Error;
  // Refusals are the common case here, and most of their cost is a stack that nobody reads.
  Error.stackTraceLimit = 0;
  for (let seed = firstSeed; sent < chunks; seed++) {
    const outcome = await world.attack(seed);
    sent += outcome.chunks;
    if (outcome.slowestMs > slowest.ms) slowest = { seed, ms: outcome.slowestMs };
    if (outcome.refusal === undefined) survived++;
    else refusals.set(outcome.refusal, (refusals.get(outcome.refusal) ?? 0) + 1);
    if (seed % linksPerCheck === 0) await world.check();
  }
  Error.stackTraceLimit = stackTraceLimit;
  await world.close();
  return { chunks: sent, refusals, survived, slowest };
}

interface Outcome {
  readonly chunks: number;
  readonly refusal: string | undefined;
  readonly slowestMs: number;
}

class World {
  readonly #clock = new VirtualClock();
  readonly #random = new SeededRandom(7);
  readonly #network = new MemoryNetwork({ clock: this.#clock, random: this.#random });
  readonly #broker = openMemoryBroker({ clock: this.#clock });
  readonly #hub = new Hub({ broker: this.#broker, clock: this.#clock, id: "hub" });
  #neighbour: HubBroker | undefined;

  async open(): Promise<void> {
    await this.#network.listen("hub", (link) => this.#hub.accept(link));
    const connect = this.#network.connect("hub", "neighbour");
    this.#neighbour = await this.#clock.until(
      openHubBroker({ connect, clock: this.#clock, random: this.#random, name: "neighbour" }),
    );
    await this.check();
  }

  async attack(seed: number): Promise<Outcome> {
    const draw = new Draw(seed);
    const connecting = this.#network.connect("hub", "stranger")(new AbortController().signal);
    const client = new RawClient(await this.#clock.until(connecting));
    await this.#clock.until(client.greet({ ...someone, incarnation: `incarnation-${seed}` }));
    let ended = false;
    void client.ended.then(() => {
      ended = true;
    });
    const chunks: Uint8Array[] = [];
    let slowestMs = 0;
    while (!ended && chunks.length < chunksPerLink) {
      const operations = operationsOf(toHub, draw);
      const chunk = chunks.length < chunksPerLink / 2 ? operations : mutate(operations, draw);
      chunks.push(chunk);
      const begin = performance.now();
      client.link.send(chunk);
      await this.#clock.settle();
      slowestMs = Math.max(slowestMs, performance.now() - begin);
    }
    const endedByHub = ended;
    client.link.destroy();
    // Past the grace in which it could come back.
    await this.#clock.advance(2_000);
    checkReplies(client, seed);
    const refusal = endedByHub && !saidGoodbye(chunks) ? reasonOf(client, seed) : undefined;
    return { chunks: chunks.length, refusal, slowestMs };
  }

  /** Somebody else's message is stored, delivered and settled. */
  async check(): Promise<void> {
    const { queues } = this.#neighbour as HubBroker;
    await this.#clock.until(queues.declare(["jobs", "check"]));
    const message = {
      frame: Uint8Array.of(1),
      lane: 2,
      guarantee: "at-least-once",
      id: "",
    } as const;
    const [stored] = await this.#clock.until(queues.enqueue("check", [message]));
    assert.equal(stored?.kind, "stored");
    const stop = new AbortController();
    const receiving = queues.receive("check", { credit: 1, consumer: "check" }, stop.signal);
    const { value } = await this.#clock.until(receiving[Symbol.asyncIterator]().next());
    const [delivery] = value ?? [];
    assert.ok(delivery);
    const settling = queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
    assert.deepEqual(await this.#clock.until(settling), [{ kind: "settled" }]);
    stop.abort();
    await this.#clock.settle();
  }

  async close(): Promise<void> {
    await this.#clock.until((this.#neighbour as HubBroker).close());
    await this.#clock.until(this.#hub.close());
    await this.#broker.close();
  }
}

/** Codes that say that the hub broke, and not that the client did wrong. */
const broken = new Set(["HANDLER_FAILED", "INTERNAL_ERROR", "STORE_FAILED"]);

function checkReplies(client: RawClient, seed: number): void {
  for (const frame of client.frames.filter(({ type }) => type === frameTypes.REPLY)) {
    const reply = readReply(frame);
    if (!reply.ok) assert.ok(!broken.has(reply.error.code), `seed ${seed}: ${reply.error.message}`);
  }
}

/** A client that leaves in order is not owed a reason. */
function saidGoodbye(chunks: readonly Uint8Array[]): boolean {
  const parser = new FrameParser(sessionLimits);
  let said = false;
  try {
    for (const chunk of chunks) {
      parser.push(chunk, ({ type }) => {
        said ||= type === frameTypes.GOODBYE;
      });
    }
  } catch {
    // Where frames end, so does what was said.
  }
  return said;
}

function reasonOf(client: RawClient, seed: number): string {
  const goodbye = client.frames.find(({ type }) => type === frameTypes.GOODBYE);
  assert.ok(goodbye, `seed ${seed}: the link ended without a reason`);
  const reason = readGoodbye(goodbye);
  assert.ok(reason, `seed ${seed}: the hub left in order`);
  assert.ok(!broken.has(reason.code), `seed ${seed}: ${reason.message}`);
  return `${reason.code} ${reason.message.split(":")[0]}`;
}
