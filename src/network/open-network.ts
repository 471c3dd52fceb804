/** What every way of joining has in common, whatever the platform: options are checked, a broker is opened. */
import type { Broker } from "../broker/broker.ts";
import { type BrokerRuntime, withRuntime } from "../broker/runtime.ts";
import { breakerOptions } from "../delivery/breaker.ts";
import { checkCompression } from "../message/compression.ts";
import type { ProcessCard } from "../routing/card.ts";
import { throwIfAborted, withAbort } from "../runtime/abort.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { automaticReplay } from "./automatic-replay.ts";
import { checkJoin, type JoinOptions } from "./join-options.ts";
import { type BrokerLimits, checkJoinLimits, onlyLimits } from "./limits.ts";
import { Network } from "./network.ts";

/** What a platform knows of itself. */
export interface Platform {
  /** What this process is shown as to people. */
  readonly process: ProcessCard;
  /** Opens the broker that the URL names, unless the options have one. */
  readonly openBroker: (request: BrokerRequest) => Promise<Broker>;
  /** Where a failure that no caller waits for is written, as one line. */
  readonly report: (line: string) => void;
}

/** What every kind of broker is opened with. */
export interface BrokerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly name: string;
  /** Gives up opening it. */
  readonly signal?: AbortSignal;
}

/** What `join` was told of the broker that it opens. */
export interface BrokerRequest {
  readonly context: BrokerContext;
  readonly limits: BrokerLimits;
}

export interface Given {
  readonly url?: string;
  readonly options: JoinOptions;
}

/** The two ways to call `join`: with a URL first, or with options that may have one. @throws INVALID_OPTION. */
export function givenUrl(urlOrOptions: string | JoinOptions | undefined, more: JoinOptions): Given {
  if (typeof urlOrOptions === "string") {
    checkJoin(more);
    return { url: urlOrOptions, options: more };
  }
  const options = urlOrOptions ?? more;
  checkJoin(options);
  return options.url === undefined ? { options } : { url: options.url, options };
}

/** @throws INVALID_OPTION naming the option, and what opening the broker and the inbox throws. */
export async function openNetwork(options: JoinOptions, platform: Platform): Promise<Network> {
  const { clock = systemClock, random = systemRandom, space = "default", copy = false } = options;
  const breaker = breakerOptions(options.breaker);
  const limits = checkJoinLimits(options.limits);
  if (options.broker !== undefined) onlyLimits(limits.broker, [], "a broker that is open");
  const compression = checkCompression(options.compression);
  const replayDead = automaticReplay(options.replayDead);
  const { signal } = options;
  throwIfAborted(signal);
  const { name } = platform.process;
  const runtime = withRuntime(
    (givingUp) =>
      options.broker === undefined
        ? platform.openBroker({
            context: { clock, random, name, signal: givingUp },
            limits: limits.broker,
          })
        : Promise.resolve(options.broker),
    limits.guard,
  );
  const broker = await orClosed(runtime, signal);
  const report = (error: unknown, where: string) => platform.report(lineOf(error, where));
  let network: Network;
  try {
    network = new Network(broker, {
      clock,
      random,
      space,
      process: platform.process,
      copy,
      compression,
      limits: limits.causality,
      drainMs: options.drainMs ?? 10_000,
      drainOnSignals: options.drainOnSignals ?? true,
      onError: options.onError ?? report,
      breaker,
      replayDead,
    });
  } catch (error) {
    await broker.close();
    throw error;
  }
  return await orLeft(network, signal);
}

/** The network once it is open; when `signal` aborts first, it leaves again. */
async function orLeft(network: Network, signal: AbortSignal | undefined): Promise<Network> {
  try {
    await withAbort(network.open(), signal);
    return network;
  } catch (error) {
    void network.close();
    throw error;
  }
}

/** The open broker; when `signal` aborts first, it is given up. */
async function orClosed(runtime: BrokerRuntime, signal: AbortSignal | undefined): Promise<Broker> {
  try {
    return await withAbort(runtime.open(), signal);
  } catch (error) {
    void runtime.close();
    throw error;
  }
}

function lineOf(error: unknown, where: string): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `colloquy: ${where}: ${text}`;
}
