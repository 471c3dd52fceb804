/**
 * A network in memory, for many processes in one: links with latency, narrow bandwidth, cuts and
 * partitions, all on one clock and one seed, so that a run replays. A link is an ordered run of
 * bytes, as TCP is: nothing in it is lost or turned around but by cutting it.
 *
 * A host is any name. An address that is listened at is a host of that name.
 */
import { ColloquyError } from "../errors.ts";
import type { AcceptLink, Connect, Link, Listener } from "../link/link.ts";
import {
  aboveZero,
  aClock,
  aRandom,
  type Checks,
  checkOptions,
  options,
} from "../message/checks.ts";
import { cancelledError, throwIfAborted, withAbort } from "../runtime/abort.ts";
import type { Clock } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Random } from "../runtime/random.ts";
import { sleep } from "../runtime/sleep.ts";
import { LinkPair } from "./memory-link.ts";
import { type Conditions, conditionChecks, drawLatency, type Way } from "./memory-pipe.ts";

export interface MemoryNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Of every direction for which nothing else is set. */
  readonly conditions?: Conditions;
  /** Bytes on their way above which a sender is asked to wait. Default: 256 KiB. */
  readonly highWaterBytes?: number;
  /** Bytes that wait for a reader before arrival stops. Default: 256 KiB. */
  readonly windowBytes?: number;
}

const waitingBytesDefault = 256 * 1024;

const optionChecks: Checks<MemoryNetworkOptions> = {
  clock: aClock,
  random: aRandom,
  conditions: options(conditionChecks),
  highWaterBytes: aboveZero,
  windowBytes: aboveZero,
};

export class MemoryNetwork {
  readonly #options: MemoryNetworkOptions;
  readonly #listeners = new Map<string, AcceptLink>();
  readonly #conditions = new Map<string, Conditions>();
  readonly #blocked = new Set<string>();
  readonly #stopped = new Set<string>();
  readonly #links = new Set<LinkPair>();
  #healed = new Deferred();

  /** @throws INVALID_OPTION. */
  constructor(options: MemoryNetworkOptions) {
    checkOptions(options, optionChecks);
    this.#options = options;
  }

  /** Links that are not over: open, or with bytes on their way to an end that listens. */
  get linkCount(): number {
    return this.#links.size;
  }

  /** @throws AGENT_UNREACHABLE when somebody listens at `address` already. */
  listen(address: string, accept: AcceptLink): Promise<Listener> {
    if (this.#listeners.has(address)) {
      const message = `cannot listen at ${address}: somebody does already`;
      return Promise.reject(new ColloquyError("AGENT_UNREACHABLE", message));
    }
    this.#listeners.set(address, accept);
    const close = (): Promise<void> => {
      if (this.#listeners.get(address) === accept) this.#listeners.delete(address);
      return Promise.resolve();
    };
    return Promise.resolve({ address, close });
  }

  /** @param from - the host that connects, named to the listener as the peer. */
  connect(address: string, from: string = "client"): Connect {
    return (signal) => this.#open(from, address, signal);
  }

  /** Sets how bytes fare `from` one host `to` another; the way back is set apart. */
  setConditions(from: string, to: string, conditions: Conditions): void {
    checkOptions(conditions, conditionChecks);
    this.#conditions.set(direction(from, to), conditions);
  }

  /** Breaks the links of `host`, or all: bytes on their way are lost, and both ends learn of it. */
  cut(host?: string): void {
    for (const pair of [...this.#links]) {
      if (host === undefined || pair.between(host)) pair.cut("it was cut");
    }
  }

  /**
   * Breaks the links of `host` at its own end: what it has sent still arrives, also when it has
   * connected again meanwhile, and only then do the others learn of it.
   */
  breakEnds(host: string): void {
    for (const pair of [...this.#links]) {
      if (pair.between(host)) pair.breakEnd(host, "its end is gone");
    }
  }

  /**
   * Lets nothing through `from` one host `to` another until `heal()`. Links stay, and what is sent
   * waits: a partition looks like silence. Both directions are blocked by two calls.
   */
  block(from: string, to: string): void {
    this.#blocked.add(direction(from, to));
  }

  /** Nothing arrives at `host` until `go`: its process is stopped. Links stay, and what is sent waits. */
  stop(host: string): void {
    this.#stopped.add(host);
  }

  go(host: string): void {
    if (this.#stopped.delete(host)) this.#release();
  }

  /** Ends what `block` began; what waited arrives in order. */
  unblock(from: string, to: string): void {
    if (this.#blocked.delete(direction(from, to))) this.#release();
  }

  /** Ends every partition; what waited arrives in order. */
  heal(): void {
    this.#blocked.clear();
    this.#release();
  }

  #release(): void {
    this.#healed.resolve();
    this.#healed = new Deferred();
    for (const pair of this.#links) pair.pump();
  }

  async #open(from: string, address: string, signal: AbortSignal): Promise<Link> {
    throwIfAborted(signal);
    await this.#travel(from, address, signal);
    const accept = this.#listeners.get(address);
    if (accept === undefined) {
      await this.#travel(address, from, signal);
      throw new ColloquyError("AGENT_UNREACHABLE", `nobody listens at ${address}`);
    }
    const pair = new LinkPair({
      from,
      to: address,
      there: this.#way(from, address),
      back: this.#way(address, from),
      onOver: () => this.#links.delete(pair),
    });
    this.#links.add(pair);
    accept(pair.accepted);
    try {
      await this.#travel(address, from, signal);
    } catch (error) {
      pair.cut("it was given up");
      throw error;
    }
    return pair.connected;
  }

  /** What one small packet needs, behind a partition until it is healed. */
  async #travel(from: string, to: string, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const { latencyMs = 0 } = this.#conditionsOf(from, to);
    await sleep(clock, drawLatency(latencyMs, random), signal);
    while (!this.#isPassable(from, to)) await withAbort(this.#healed.promise, signal);
    if (signal.aborted) throw cancelledError(signal);
  }

  #way(from: string, to: string): Way {
    const { clock, random } = this.#options;
    const { highWaterBytes = waitingBytesDefault, windowBytes = waitingBytesDefault } =
      this.#options;
    return {
      clock,
      random,
      highWaterBytes,
      windowBytes,
      conditions: () => this.#conditionsOf(from, to),
      passable: () => this.#isPassable(from, to),
    };
  }

  #isPassable(from: string, to: string): boolean {
    return !this.#stopped.has(to) && !this.#blocked.has(direction(from, to));
  }

  #conditionsOf(from: string, to: string): Conditions {
    return this.#conditions.get(direction(from, to)) ?? this.#options.conditions ?? {};
  }
}

function direction(from: string, to: string): string {
  return `${from}\n${to}`;
}
