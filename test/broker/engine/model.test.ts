/**
 * Random histories against the reference queue: enqueue, receive, settle, vanish, disk full, crash before
 * and after a commit, time. Every history ends with everything settled and nothing left over.
 */

import { expect, test } from "vitest";
import type {
  Delivery,
  Effect,
  EnqueueOutcome,
  Lane,
  Outcome,
  QueuedMessage,
  Settlement,
} from "../../../src/broker/broker.ts";
import { ColloquyError, errorInfo } from "../../../src/errors.ts";
import { fc } from "../../support/properties.ts";
import type { Fault } from "./fault-storage.ts";
import { ReferenceQueue } from "./reference-queue.ts";
import { bytes, collect, message, Rig, text } from "./rig.ts";

const lane = fc.integer({ min: 0, max: 3 }) as fc.Arbitrary<Lane>;
const sent = fc.record(
  {
    lane,
    guarantee: fc.constantFrom("at-least-once", "at-least-once", "exactly-once", "at-most-once"),
    id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    key: fc.constantFrom("x", "y"),
    delayMs: fc.constantFrom(50, 500, 5_000),
    ttlMs: fc.constantFrom(100, 2_000),
  },
  { requiredKeys: ["lane", "guarantee", "id"] },
);
const fault = fc.option(fc.constantFrom<Fault>("refuse", "lose", "lose-after"), { nil: undefined });
const pick = fc.nat(1_000);
const error = errorInfo(new ColloquyError("HANDLER_FAILED", "no"));
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Outcome>({ kind: "done" }) },
  fc.constant<Outcome>({ kind: "done", result: bytes("result") }),
  fc.constant<Outcome>({ kind: "failed", error }),
  fc.constant<Outcome>({ kind: "dead", error }),
  fc.constant<Outcome>({ kind: "release" }),
  fc.constantFrom(0, 30, 700, 3_000).map((delayMs): Outcome => ({ kind: "retry", delayMs, error })),
);
const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("enqueue" as const),
      batch: fc.array(sent, { minLength: 1, maxLength: 8 }),
      fault,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      credit: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      picks: fc.array(fc.tuple(pick, outcome, fc.boolean()), { minLength: 1, maxLength: 6 }),
      fault,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("repeat" as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("close" as const), pick, crash: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 60, 999, 4_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      orderly: fc.boolean(),
      claim: fc.boolean(),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

interface Open {
  readonly controller: AbortController;
  readonly credit: number;
}

/** One history: an engine, the reference, and what connects them. */
class History {
  readonly rig: Rig;
  readonly #work = new ReferenceQueue("work");
  readonly #held: Delivery[] = [];
  readonly #settled: Settlement[] = [];
  readonly #ledger: number[] = [];
  #open: Open[] = [];
  #unread: (() => void)[] = [];
  #sequence = 0;

  constructor(rig: Rig) {
    this.rig = rig;
  }

  static async begin(): Promise<History> {
    return new History(
      await Rig.with(["work", "out"], {
        windowMessagesMax: 4,
        windowBytesMax: 300,
        // What a reference that does not know who died of what cannot tell: see suspects.test.ts.
        suspectsMax: 0,
      }),
    );
  }

  async run(command: Command): Promise<void> {
    switch (command.do) {
      case "enqueue":
        await this.#enqueue(command.batch, command.fault);
        break;
      case "open":
        if (this.#open.length < 3) this.#receive(command.credit, []);
        break;
      case "settle":
        await this.#settle(command.picks, command.fault);
        break;
      case "repeat":
        await this.#repeat(command.pick);
        break;
      case "close":
        this.#close(command.pick, command.crash);
        break;
      case "wait":
        await this.rig.clock.advance(command.ms);
        break;
      case "crash":
        await this.#crash(command.orderly, command.claim);
        break;
    }
    await this.#read();
    await this.#check();
  }

  /** Settles all there is, and checks that nothing is left. */
  async finish(): Promise<void> {
    this.#receive(1_000, []);
    for (let round = 0; round < 40; round++) {
      await this.rig.clock.advance(1_000);
      await this.#read();
      await this.#settle(
        this.#held.map((_, index) => [index, { kind: "done" }, false]),
        undefined,
      );
    }
    await this.#check();
    const [work] = await this.rig.run(this.rig.broker.queues.mailboxes());
    expect(work).toMatchObject({ queue: "work", waiting: 0, offered: 0 });
    const { signal } = new AbortController();
    const log = this.rig.broker.log?.read("ledger", 1, {}, signal) ?? [];
    const ledger = (await collect(log as AsyncIterable<readonly { data: Uint8Array }[]>)).map(
      ({ data }) => Number(text(data)),
    );
    expect(ledger, "G3: every effect once").toEqual(this.#ledger);
    const out = await collect(this.rig.broker.queues.browse("out", {}, signal));
    expect(out.map(({ frame }) => Number(text(frame)))).toEqual(this.#ledger);
  }

  async #enqueue(
    batch: readonly (typeof sent extends fc.Arbitrary<infer Value> ? Value : never)[],
    wanted: Fault | undefined,
  ): Promise<void> {
    const nowMs = this.rig.clock.nowMs();
    const repeatsFrom = this.#sequence + 1;
    const messages = batch.map(({ delayMs, ttlMs, ...rest }): QueuedMessage => {
      const sequence = ++this.#sequence;
      return message(`${sequence}`, {
        ...(rest as Partial<QueuedMessage>),
        origin: { incarnation: "sender", sequence, repeatsFrom },
        ...(delayMs === undefined ? {} : { notBeforeMs: nowMs + delayMs }),
        ...(ttlMs === undefined ? {} : { expiresAtMs: nowMs + ttlMs }),
      });
    });
    this.rig.storage.fault = wanted;
    let outcomes = await this.rig.run(this.rig.broker.queues.enqueue("work", messages));
    const fault = this.#faultMet(wanted);
    let after = false;
    if (fault === "refuse") {
      expect(outcomes.every((it) => it.kind === "rejected" || isKnown(it))).toBe(true);
      outcomes = await this.rig.run(this.rig.broker.queues.enqueue("work", messages));
    } else if (fault === "lose" || fault === "lose-after") {
      expect(outcomes.every((it) => it.kind === "indeterminate" || isKnown(it))).toBe(true);
      await this.#recover(true);
      outcomes = await this.rig.run(this.rig.broker.queues.enqueue("work", messages));
      after = fault === "lose-after";
    }
    for (const [index, result] of outcomes.entries()) {
      const stored = messages[index] as QueuedMessage;
      if (result.kind !== "stored") throw new Error(`${sequenceOf(stored)} was ${result.kind}`);
      // Written before the crash, and recognised: for the reference it is stored now.
      const known = this.#work.messages.has(result.position);
      if (after) expect(result.duplicate).toBe(true);
      this.#work.stored(stored, result.position, after ? known : result.duplicate);
    }
  }

  async #settle(
    picks: readonly (readonly [number, Outcome, boolean])[],
    wanted: Fault | undefined,
  ): Promise<void> {
    const settlements: Settlement[] = [];
    const deliveries: Delivery[] = [];
    for (const [pick, chosen, effects] of picks) {
      if (this.#held.length === 0) break;
      const [delivery] = this.#held.splice(pick % this.#held.length, 1) as [Delivery];
      deliveries.push(delivery);
      const { queue, position, fence } = delivery;
      const settlement = { queue, position, fence, outcome: chosen };
      const ends = ["done", "failed", "dead"].includes(chosen.kind);
      settlements.push(
        effects && ends ? { ...settlement, effects: effectsOf(position) } : settlement,
      );
    }
    if (settlements.length === 0) return;
    const nowMs = this.rig.clock.nowMs();
    const written = settlements.some(({ position }) => !this.#isAtMostOnce(position));
    this.rig.storage.fault = written ? wanted : undefined;
    let outcomes = await this.rig.run(this.rig.broker.queues.settle(settlements));
    const fault = this.#faultMet(written ? wanted : undefined);
    if (fault === "refuse") {
      expect(outcomes.every(({ kind }) => kind === "refused")).toBe(true);
      // Still in hand: they may be settled otherwise, or be lost in a crash.
      this.#held.push(...deliveries);
      return;
    } else if (fault !== undefined) {
      expect(outcomes.every(({ kind }) => kind === "indeterminate")).toBe(true);
      if (fault === "lose-after") this.#applied(settlements, nowMs);
      await this.#recover(false, settlements);
      outcomes = await this.rig.run(this.rig.broker.queues.settle(settlements));
    }
    // After a crash "stale" says that it had been written; an at-most-once message is gone by then.
    const expected = settlements.map(({ position }) => {
      const lost = fault === "lose" && this.#isAtMostOnce(position);
      return { kind: fault === "lose-after" || lost ? "stale" : "settled" };
    });
    expect(outcomes).toEqual(expected);
    if (fault === "lose-after") return;
    this.#applied(
      settlements.filter((_, index) => expected[index]?.kind === "settled"),
      nowMs,
    );
  }

  #applied(settlements: readonly Settlement[], nowMs: number): void {
    for (const settlement of settlements) {
      const { position, outcome, effects } = settlement;
      this.#work.settled(position, outcome, nowMs);
      this.#settled.push(settlement);
      if (effects !== undefined) this.#ledger.push(position);
    }
  }

  /** Then it is final already, and settling it may leave nothing to write. */
  #isAtMostOnce(position: number): boolean {
    return this.#work.messages.get(position)?.message.guarantee === "at-most-once";
  }

  /** The fault, unless there was nothing to write: only duplicates, say, and so no commit to fail. */
  #faultMet(wanted: Fault | undefined): Fault | undefined {
    const met = this.rig.storage.fault === undefined ? wanted : undefined;
    this.rig.storage.fault = undefined;
    return met;
  }

  /** A settlement that is repeated changes nothing. */
  async #repeat(pick: number): Promise<void> {
    const settlement = this.#settled[pick % Math.max(1, this.#settled.length)];
    if (settlement === undefined) return;
    const [result] = await this.rig.run(this.rig.broker.queues.settle([settlement]));
    expect(["settled", "stale"]).toContain(result?.kind);
  }

  #receive(credit: number, claims: readonly Delivery[]): void {
    const controller = new AbortController();
    const open = { controller, credit };
    this.#open.push(open);
    const { signal } = controller;
    const options = { credit, consumer: "c", claims };
    const { broker } = this.rig;
    const read = async () => {
      for await (const batch of broker.queues.receive("work", options, signal)) {
        // What an engine that was killed does is of no account.
        if (broker !== this.rig.broker) return;
        const nowMs = this.rig.clock.nowMs();
        this.#unread.push(() => {
          for (const delivery of batch) {
            this.#work.offered(delivery, nowMs, open);
            this.#held.push(delivery);
          }
        });
      }
    };
    read().catch(() => {});
  }

  #close(pick: number, crash: boolean): void {
    const [open] = this.#open.splice(pick % Math.max(1, this.#open.length), 1);
    if (open === undefined) return;
    const reason = crash ? new ColloquyError("AGENT_UNREACHABLE", "gone") : undefined;
    open.controller.abort(reason);
    for (const reference of this.#work.offeredMessages()) {
      if (reference.holder !== open) continue;
      this.#work.cameBack(reference, crash ? "crashes" : "pickups");
      const held = this.#held.findIndex(({ position }) => position === reference.position);
      if (held !== -1) this.#held.splice(held, 1);
    }
  }

  async #crash(orderly: boolean, claim: boolean): Promise<void> {
    if (orderly) {
      while (this.#open.length > 0) this.#close(0, false);
      await this.rig.restart();
    } else {
      await this.#recover(claim);
    }
  }

  /** After a crash: receivers come back with claims, or nobody does. */
  async #recover(claim: boolean, settling: readonly Settlement[] = []): Promise<void> {
    this.rig.crash();
    this.#unread = [];
    const settlingPositions = new Set(settling.map(({ position }) => position));
    const claims = claim
      ? this.#held.filter(({ position }) => !settlingPositions.has(position))
      : [];
    const taken = this.#work.messages;
    this.#work.recovered();
    this.#open = [];
    this.#held.length = 0;
    if (!claim) return;
    this.#receive(Math.max(1, claims.length), claims);
    await this.rig.clock.settle();
    for (const delivery of claims) {
      const reference = taken.get(delivery.position);
      if (reference === undefined || reference.state === "final") continue;
      reference.state = "offered";
      reference.holder = this.#open[0];
      this.#held.push(delivery);
    }
  }

  /** What was offered since the last time, told to the reference. */
  async #read(): Promise<void> {
    await this.rig.clock.settle();
    for (const tell of this.#unread.splice(0)) tell();
  }

  async #check(): Promise<void> {
    const nowMs = this.rig.clock.nowMs();
    for (const position of this.#work.messages.keys()) {
      const state = await this.rig.run(this.rig.broker.queues.track("work", position));
      this.#work.check(position, state, nowMs);
    }
  }
}

/** A repetition of what was stored before: nothing that befalls its own group changes that. */
function isKnown(outcome: EnqueueOutcome): boolean {
  return outcome.kind === "stored" && outcome.duplicate;
}

function sequenceOf({ origin }: QueuedMessage): string {
  return `sequence ${origin?.sequence}`;
}

function effectsOf(position: number): readonly Effect[] {
  const frame = bytes(String(position));
  const sent = message("", { frame, guarantee: "exactly-once", id: `out-${position}` });
  return [
    { kind: "put", key: `effects/${position}`, value: frame, ifRevision: 0 },
    { kind: "append", stream: "ledger", entries: [frame] },
    { kind: "enqueue", queue: "out", message: sent },
  ];
}

test("G1-G4: any history keeps the promises, through full disks, crashes and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async (commands) => {
      const history = await History.begin();
      for (const each of commands) await history.run(each);
      await history.finish();
    }),
    { numRuns: Number(process.env["COLLOQUY_RUNS"] ?? 500) },
  );
}, 120_000);
