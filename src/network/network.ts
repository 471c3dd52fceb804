// A program that uses the types may not have asked for these.
/// <reference lib="esnext.disposable" preserve="true" />

/** One process's place in the fabric: its agents, and its view of everyone else. */
import { Agent, type AgentHome } from "../agent/agent.ts";
import { type AgentOptions, checkAgent } from "../agent/agent-options.ts";
import type { Broker, BrokerStatus } from "../broker/broker.ts";
import { storeOf } from "../broker/guarded.ts";
import type { BreakerOptions } from "../delivery/breaker.ts";
import type { ColloquyError } from "../errors.ts";
import type { CausalityLimits } from "../exchange/causality/limits.ts";
import { parseReceiptId, Receipt } from "../exchange/commands/receipt.ts";
import { Exchange } from "../exchange/exchange.ts";
import { closed } from "../exchange/failures.ts";
import type { AttachOptions } from "../exchange/options.ts";
import { askToCancel, attachTo } from "../exchange/requests/attaching.ts";
import { Operations } from "../exchange/requests/operations.ts";
import type { CancelOutcome, StreamReply } from "../exchange/requests/stream.ts";
import { type Counters, newCounters, type Site, type Timed } from "../exchange/site.ts";
import { Space } from "../exchange/space.ts";
import { KeyedState, OrderedHistory } from "../exchange/state.ts";
import type { ProcessActivity } from "../exchange/survey.ts";
import {
  abortSignal,
  aboveZero,
  type Checks,
  checkOptions,
  text,
  wholeNumber,
} from "../message/checks.ts";
import type { CompressionOptions } from "../message/compression.ts";
import type { Sender } from "../message/envelope.ts";
import type { AgentInfo, ProcessCard } from "../routing/card.ts";
import { type AgentQuery, Registry } from "../routing/registry.ts";
import {
  cancelledError,
  onAbort,
  throwIfAborted,
  type WaitOptions,
  withAbort,
} from "../runtime/abort.ts";
import type { Clock } from "../runtime/clock.ts";
import { keepAlive } from "../runtime/keep-alive.ts";
import type { Random } from "../runtime/random.ts";
import { onTermination } from "../runtime/termination.ts";
import { TimerWheel } from "../runtime/timer-wheel.ts";
import { TurnTime } from "../runtime/turn-time.ts";
import { ulidSource } from "../runtime/ulid.ts";
import { type AutomaticReplayOptions, replayAutomatically } from "./automatic-replay.ts";
import { DeadLetters } from "./dead-letters.ts";
import { MailboxList } from "./mailboxes.ts";
import { Presence } from "./presence.ts";

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly space: string;
  /** What it is shown as to people. */
  readonly process?: ProcessCard;
  readonly copy: boolean;
  readonly compression: CompressionOptions;
  readonly limits: CausalityLimits;
  /** Milliseconds that running handlers get when the network closes. */
  readonly drainMs: number;
  /** Close in order on SIGTERM and SIGINT. */
  readonly drainOnSignals: boolean;
  readonly onError: (error: unknown, where: string) => void;
  readonly breaker: BreakerOptions | undefined;
  readonly replayDead: AutomaticReplayOptions | undefined;
}

export interface WaitForOptions {
  /** How many must be there, 1 or more. Default: 1. */
  readonly count?: number;
  readonly signal?: AbortSignal;
}

export interface ActivityOptions {
  /** How long a process may take to answer, milliseconds. Default: 1,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const queryChecks: Checks<AgentQuery> = { id: text, type: text, capability: text };
const waitForChecks: Checks<WaitForOptions> = {
  count: wholeNumber(1, 1_000_000),
  signal: abortSignal,
};
const activityChecks: Checks<ActivityOptions> = { timeoutMs: aboveZero, signal: abortSignal };

/** How long handlers may clean up once they were told that it is over. */
const cleanupMs = 500;
/** Before a broker that cannot be reached any more is left as it is. */
const farewellMs = 1_000;

export class Network {
  /** One life of one process: what tells it apart from the same program started again. */
  readonly instance: string;
  readonly store: KeyedState;
  readonly log: OrderedHistory;
  readonly dead: DeadLetters;
  readonly mailboxes: MailboxList;
  readonly #site: Site;
  readonly #exchange: Exchange;
  readonly #home: AgentHome;
  readonly #options: NetworkOptions;
  /** Also what this process's agents are known by. */
  readonly #presence: Presence<Agent>;
  readonly #stop = new AbortController();
  #status: BrokerStatus = { kind: "ready" };
  #forgetSignals: () => void = () => {};
  /** Whatever the broker: who has joined is there until it leaves, also while nothing but a timer runs. */
  #letGo: () => void = () => {};
  #closing: Promise<void> | undefined;

  /** Use `join`. */
  constructor(broker: Broker, options: NetworkOptions) {
    const { clock, random, copy, compression, limits, onError } = options;
    const turn = new TurnTime(clock);
    const newId = ulidSource(turn, random);
    this.instance = newId();
    this.#options = options;
    this.#site = {
      broker,
      clock,
      random,
      turn,
      newId,
      instance: this.instance,
      space: new Space(options.space),
      registry: new Registry(),
      timeouts: new TimerWheel<Timed>({ clock, expire: (call) => call.expire() }),
      counters: newCounters(),
      operations: new Operations(clock),
      loopback: () => {},
      copy,
      compression,
      limits,
      onError,
    };
    this.#exchange = new Exchange(this.#site, { breaker: options.breaker });
    this.#home = {
      exchange: this.#exchange,
      announce: (agent) => this.#announce(agent),
      release: (agent) => this.#release(agent),
    };
    this.#presence = new Presence(this.#site, storeOf(broker), options.process);
    this.#site.registry.followTwins((id) => this.#twinsChanged(id));
    this.store = new KeyedState(this.#site);
    this.log = new OrderedHistory(this.#site);
    this.dead = new DeadLetters(this.#site);
    this.mailboxes = new MailboxList(this.#exchange);
  }

  /** For `join`: opens the inbox and shows this process to the others. Closes where it cannot. */
  async open(): Promise<void> {
    try {
      await this.#exchange.open(this.#stop.signal);
      await this.#presence.open(this.#stop.signal);
      // Left meanwhile: nobody is to keep the process for it any more.
      if (this.#closing !== undefined) throw closed("the network");
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#letGo = keepAlive(this.#options.clock);
    this.#follow().catch((error: unknown) => this.#options.onError(error, "the broker's status"));
    this.#replayDead();
    if (this.#options.drainOnSignals) this.#forgetSignals = onTermination(() => this.close());
  }

  /** How the broker is: ready, lost (and being looked for), or closed. */
  get status(): BrokerStatus {
    return this.#status;
  }

  /** What happened in this process so far, by count. */
  get counters(): Readonly<Counters> {
    return { ...this.#site.counters };
  }

  /** The status now, then each change. */
  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#site.broker.statuses(signal);
  }

  /**
   * Brings an agent into being; resolves when the others can see it.
   *
   * @throws CONFLICT when this process has one of that id, CANCELLED, INVALID_ADDRESS, INVALID_OPTION.
   */
  async agent(id: string, options: AgentOptions = {}): Promise<Agent> {
    if (this.#closing !== undefined) throw closed("the network");
    const settings = checkAgent(id, options);
    const { signal } = options;
    throwIfAborted(signal);
    const agent = new Agent(this.#home, id, settings);
    this.#exchange.add(agent.inbox);
    try {
      await withAbort(this.#presence.show(agent), signal);
    } catch (error) {
      const leaving = agent.close();
      if (signal?.aborted !== true) await leaving;
      throw error;
    }
    return agent;
  }

  /** Everyone in the space, of every process. */
  agents(): readonly AgentInfo[] {
    return this.#site.registry.find();
  }

  /** Those that match everything in `query`. @throws INVALID_OPTION. */
  find(query: AgentQuery): readonly AgentInfo[] {
    checkOptions(query, queryChecks);
    return this.#site.registry.find(query);
  }

  /**
   * What goes on in every process that has agents: its counters, and what its agents have done, with
   * latencies. They are asked for it now; one that does not answer in time is left out.
   *
   * @throws CANCELLED, CLOSED, INVALID_OPTION.
   */
  async activity(options: ActivityOptions = {}): Promise<readonly ProcessActivity[]> {
    checkOptions(options, activityChecks);
    const { timeoutMs = 1_000, signal } = options;
    throwIfAborted(signal);
    if (this.#stop.signal.aborted) throw closed("the network");
    const instances = this.#site.registry.instances();
    return this.#exchange.survey.ask(instances, timeoutMs, signal);
  }

  /**
   * Resolves once enough agents match, with them.
   *
   * @throws CANCELLED when `signal` aborts, CLOSED when the network closes, INVALID_OPTION.
   */
  async waitFor(query: AgentQuery, options: WaitForOptions = {}): Promise<readonly AgentInfo[]> {
    checkOptions(query, queryChecks);
    checkOptions(options, waitForChecks);
    const { count = 1, signal } = options;
    throwIfAborted(signal);
    if (this.#stop.signal.aborted) throw closed("the network");
    const { registry } = this.#site;
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = [];
      const stop = () => {
        for (const forget of stops) forget();
      };
      const fail = (error: ColloquyError) => {
        stop();
        reject(error);
      };
      const look = () => {
        const found = registry.find(query);
        if (found.length < count) return;
        stop();
        resolve(found);
      };
      stops.push(
        registry.onChange(look),
        onAbort(signal, () => fail(cancelledError(signal as AbortSignal))),
        onAbort(this.#stop.signal, () => fail(closed("the network"))),
      );
      look();
    });
  }

  /**
   * The receipt of a message sent by anybody, also before a restart.
   *
   * @throws INVALID_OPTION when `id` is not the id of a receipt.
   */
  track<Result = unknown>(id: string): Receipt<Result> {
    return new Receipt<Result>(this.#site, parseReceiptId(id));
  }

  /**
   * Waits again for a request or stream: one whose wait has timed out, or one of somebody else. It is
   * found in the process of its handler as long as it runs there, and for 30 s after. Ending this wait,
   * by its `signal` too, leaves the work as it is.
   *
   * @param id - `details.id` of an error, or the `id` of a call or stream.
   * @returns `result` is the answer; of a stream the chunks, too.
   * @throws INVALID_OPTION when `id` is no such id. What is waited for rejects with NOT_FOUND when
   *   nothing is known of it any more, and CANCELLED when it was cancelled.
   */
  attach(id: string, options?: AttachOptions): StreamReply {
    return attachTo(this.#exchange.asker(this.#self), id, options);
  }

  /**
   * Cancels a request or stream, and whatever its handler has asked for. Safe to repeat.
   *
   * @returns "accepted": nothing more comes of it. "too-late": it had ended. "unreachable": the
   *   process of its handler is gone, or does not answer.
   */
  async cancel(id: string, options?: WaitOptions): Promise<CancelOutcome> {
    return askToCancel(this.#exchange.asker(this.#self), id, options);
  }

  get #self(): Sender {
    return { agent: "network", type: "network", instance: this.instance };
  }

  /** Lets what runs end (at most `drainMs`), hands back the rest, and leaves. Safe to repeat. */
  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave(): Promise<void> {
    this.#forgetSignals();
    const closing = Promise.all(this.#presence.agents().map((agent) => agent.close()));
    await this.#within(this.#options.drainMs, closing);
    const late = this.#presence.agents();
    if (late.length > 0) {
      for (const agent of late) agent.interrupt();
      await this.#within(cleanupMs, closing);
    }
    await this.#within(farewellMs, this.#presence.close());
    this.#exchange.close();
    this.#stop.abort();
    await this.#site.broker.close();
    this.#letGo();
    this.#status = { kind: "closed" };
  }

  /** What changes in one go, such as a card that is replaced, is looked at once it is over. */
  #twinsChanged(id: string): void {
    if (this.#presence.agent(id) === undefined) return;
    queueMicrotask(() => {
      const youngest = this.#site.registry.get(id);
      if (youngest !== undefined) {
        this.#presence.agent(id)?.stand(youngest.instance === this.instance);
      }
    });
  }

  async #announce(agent: Agent): Promise<void> {
    if (this.#presence.agent(agent.id) !== agent) return;
    try {
      await this.#presence.show(agent);
    } catch (error) {
      if (this.#closing === undefined) this.#options.onError(error, `the card of ${agent.id}`);
    }
  }

  async #release(agent: Agent): Promise<void> {
    if (this.#presence.agent(agent.id) !== agent) return;
    this.#exchange.remove(agent.inbox);
    await this.#within(farewellMs, this.#presence.hide(agent));
  }

  /** Follows the broker: what it lost is put and asked again when it is back. */
  async #follow(): Promise<void> {
    let lost = false;
    for await (const status of this.#site.broker.statuses(this.#stop.signal)) {
      this.#status = status;
      if (status.kind === "lost") lost = true;
      if (status.kind !== "ready" || !lost) continue;
      lost = false;
      this.#exchange.reattach();
      this.#presence.restore().catch((error: unknown) => {
        if (this.#closing === undefined) this.#options.onError(error, "presence");
      });
    }
  }

  #replayDead(): void {
    const { replayDead, onError } = this.#options;
    if (replayDead === undefined) return;
    replayAutomatically(this.#site, this.dead, replayDead, this.#stop.signal).catch((error) => {
      if (this.#closing === undefined) onError(error, "dead letters");
    });
  }

  /** Waits for `work`, but not longer than that; how it fails does not matter any more. */
  #within(limitMs: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(limitMs, resolve);
      const done = () => {
        timer.cancel();
        resolve();
      };
      work.then(done, done);
    });
  }
}
