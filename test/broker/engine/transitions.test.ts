/**
 * Random histories of everything that can befall a message: whoever follows it sees only steps that the
 * table of the life cycle has, and what was final stays as it was.
 */

import { expect, test } from "vitest";
import type { Delivery, MessageState, Notice, Outcome } from "../../../src/broker/broker.ts";
import { finalStates, isLegal, type LifeState } from "../../../src/broker/life-cycle.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { fc } from "../../support/properties.ts";
import { bytes, message, Rig, settlement } from "./rig.ts";

const error = new ColloquyError("HANDLER_FAILED", "no").toJSON();
const pick = fc.nat(1_000);
const outcome = fc.constantFrom<Outcome>(
  { kind: "done" },
  { kind: "done", result: bytes("result") },
  { kind: "failed", error },
  { kind: "dead", error },
  { kind: "release" },
  { kind: "retry", delayMs: 0, error },
  { kind: "retry", delayMs: 500, error },
  { kind: "expired", error },
  { kind: "rescinded", error },
  { kind: "cancelled", error },
);
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("enqueue" as const),
      key: fc.constantFrom(undefined, "k"),
      delayMs: fc.constantFrom(undefined, undefined, 300),
      ttlMs: fc.constantFrom(undefined, undefined, 700),
      once: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("receive" as const),
      credit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle" as const), pick, outcome }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("report" as const),
      pick,
      kind: fc.constantFrom("started", "unstarted", "progress"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      pick,
      number: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      pick,
      number: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("cancel" as const), pick, ifUnstarted: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("leave" as const), pick, vanish: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 250, 800) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const), orderly: fc.boolean() }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

class History {
  readonly #rig: Rig;
  readonly #positions: number[] = [];
  /** What was seen of each message, last. */
  readonly #seen = new Map<number, MessageState>();
  /** A crash forgets what is volatile: after it, any live state may be seen. */
  readonly #blind = new Set<number>();
  #held: Delivery[] = [];
  #receivers: AbortController[] = [];
  readonly #problems: string[] = [];

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  static async begin(): Promise<History> {
    return new History(await Rig.with(["work"], { windowMessagesMax: 4 }));
  }

  async run(command: Command): Promise<void> {
    const { queues } = this.#rig.broker;
    const position =
      this.#positions[
        ("pick" in command ? command.pick : 0) % Math.max(1, this.#positions.length)
      ] ?? 0;
    const delivery =
      "pick" in command ? this.#held[command.pick % Math.max(1, this.#held.length)] : undefined;
    switch (command.do) {
      case "enqueue":
        await this.#enqueue(command);
        break;
      case "receive":
        this.#receive(command.credit);
        break;
      case "settle":
        if (delivery !== undefined) await this.#settle(delivery, command.outcome);
        break;
      case "report":
        if (delivery === undefined) break;
        await this.#rig.run(
          queues.report([
            command.kind === "progress"
              ? { ...claimOf(delivery), kind: "progress", data: bytes("half") }
              : { ...claimOf(delivery), kind: command.kind as "started" },
          ]),
        );
        break;
      case "ask":
        if (delivery === undefined) break;
        await this.#rig.run(
          queues.report([
            {
              ...claimOf(delivery),
              kind: "waiting-input",
              number: command.number,
              question: bytes("?"),
            },
          ]),
        );
        break;
      case "answer":
        await this.#rig.run(
          queues.answer("work", position, { number: command.number, data: bytes("!") }),
        );
        break;
      case "cancel":
        // A holder may take its time to answer: nobody waits for it here.
        void queues.cancel("work", position, { ifUnstarted: command.ifUnstarted }).catch(() => {});
        break;
      case "leave":
        this.#leave(command.pick, command.vanish);
        break;
      case "wait":
        await this.#rig.clock.advance(command.ms);
        break;
      case "crash":
        await this.#crash(command.orderly);
        break;
    }
    await this.#rig.clock.settle();
    expect(this.#problems).toEqual([]);
  }

  async finish(): Promise<void> {
    for (const receiver of this.#receivers.splice(0)) receiver.abort();
    await this.#rig.clock.advance(2_000);
    await this.#crash(false);
    for (const [position, seen] of this.#seen) {
      if (!isFinal(seen)) continue;
      const state = await this.#rig.run(this.#rig.broker.queues.track("work", position));
      expect(state, `${position} stays as it was`).toEqual(seen);
    }
    expect(this.#problems).toEqual([]);
  }

  async #enqueue({
    key,
    delayMs,
    ttlMs,
    once,
  }: Extract<Command, { do: "enqueue" }>): Promise<void> {
    const nowMs = this.#rig.clock.nowMs();
    const [stored] = await this.#rig.enqueue(
      "work",
      message("m", {
        guarantee: once ? "at-most-once" : "at-least-once",
        ...(key === undefined ? {} : { key }),
        ...(delayMs === undefined ? {} : { notBeforeMs: nowMs + delayMs }),
        ...(ttlMs === undefined ? {} : { expiresAtMs: nowMs + ttlMs }),
      }),
    );
    if (stored?.kind !== "stored") throw new Error(stored?.kind);
    this.#positions.push(stored.position);
    this.#follow(stored.position);
  }

  #follow(position: number): void {
    const { broker } = this.#rig;
    const saw = (state: MessageState): void => {
      if (broker === this.#rig.broker) this.#saw(position, state);
    };
    broker.queues
      .track("work", position, { wait: true, onChange: saw })
      .then(saw)
      .catch(() => {});
  }

  #saw(position: number, state: MessageState): void {
    const before = this.#seen.get(position);
    this.#seen.set(position, state);
    const blind = this.#blind.delete(position);
    if (before === undefined || before.state === state.state) return;
    if (blind && !isFinal(before)) return;
    // At most once, and lost: nobody knows.
    if (state.state === "unknown" && !isFinal(before)) return;
    if (isLegal(before.state as LifeState, state.state as LifeState)) return;
    this.#problems.push(`${position} was ${before.state}, then ${state.state}`);
  }

  #receive(credit: number): void {
    if (this.#receivers.length === 3) return;
    const controller = new AbortController();
    this.#receivers.push(controller);
    const { broker } = this.#rig;
    const onNotice = (_notice: Notice) => {};
    const options = { credit, consumer: "c", onNotice };
    const read = async () => {
      for await (const batch of broker.queues.receive("work", options, controller.signal)) {
        if (broker === this.#rig.broker) this.#held.push(...batch);
      }
    };
    read().catch(() => {});
  }

  async #settle(delivery: Delivery, chosen: Outcome): Promise<void> {
    const settling = this.#rig.broker.queues.settle([settlement(delivery, chosen)]);
    const [settled] = await this.#rig.run(settling);
    if (settled?.kind !== "refused") this.#held = this.#held.filter((it) => it !== delivery);
    else expect(settled.error.code).toBe("INTERNAL_ERROR");
  }

  #leave(which: number, vanish: boolean): void {
    const [receiver] = this.#receivers.splice(which % Math.max(1, this.#receivers.length), 1);
    receiver?.abort(vanish ? new ColloquyError("AGENT_UNREACHABLE", "gone") : undefined);
  }

  async #crash(orderly: boolean): Promise<void> {
    for (const [position, seen] of this.#seen) if (!isFinal(seen)) this.#blind.add(position);
    if (orderly) await this.#rig.restart();
    else this.#rig.crash();
    this.#receivers = [];
    this.#held = [];
    for (const position of this.#positions) this.#follow(position);
    await this.#rig.clock.settle();
  }
}

function claimOf({ queue, position, fence }: Delivery) {
  return { queue, position, fence };
}

function isFinal({ state }: MessageState): boolean {
  return state === "unknown" || finalStates.has(state);
}

test("no history takes a message a step that the table does not have, or out of a final state", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (commands) => {
      const history = await History.begin();
      for (const each of commands) await history.run(each);
      await history.finish();
    }),
    { numRuns: Number(process.env["COLLOQUY_RUNS"] ?? 300) },
  );
}, 120_000);
