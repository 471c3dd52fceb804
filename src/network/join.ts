/** The way into a fabric: one line says which broker carries it, the rest of a program stays the same. */
import { hostname } from "node:os";
import type { Broker } from "../broker/broker.ts";
import { openHubBroker } from "../broker/hub.ts";
import { openMemoryBroker } from "../broker/memory.ts";
import { type BrokerRuntime, withRuntime } from "../broker/runtime.ts";
import { type BreakerOptions, checkBreaker, defaultBreaker } from "../delivery/breaker.ts";
import { type Switch, switched } from "../delivery/policy.ts";
import { type CausalityLimits, checkLimits } from "../exchange/causality/limits.ts";
import { invalidOption, positive } from "../exchange/options.ts";
import { openEmbedded } from "../hub/embedded.ts";
import type { ClientTls } from "../link/tls.ts";
import { type CompressionOptions, checkCompression } from "../message/compression.ts";
import { throwIfAborted, withAbort } from "../runtime/abort.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { type AutomaticReplayOptions, automaticReplay } from "./automatic-replay.ts";
import { storeDirectory } from "./home-directory.ts";
import { hubAddress } from "./hub-url.ts";
import { Network } from "./network.ts";

export interface JoinOptions {
  /** Where to join: see `join`. Default: the environment's COLLOQUY_URL, then "embedded:". */
  readonly url?: string;
  /** A broker that is open already, instead of `url`. The network closes it. */
  readonly broker?: Broker;
  /** Of this process, for people. Default: the program's file name and process id. */
  readonly name?: string;
  /** Keeps fabrics apart that share a broker. Default: "default". */
  readonly space?: string;
  /** Of an embedded store: make it where there is none. False: NOT_FOUND instead. Default: true. */
  readonly create?: boolean;
  /** For tls:// and wss://: whom to trust, and what to show. Default: the authorities that Node knows. */
  readonly tls?: ClientTls;
  /** Shown to a hub that asks who comes. Default: the environment's COLLOQUY_TOKEN, then none. */
  readonly token?: string;
  /** Copy payloads also between agents of one process, as a process boundary would. Default: false. */
  readonly copy?: boolean;
  /** Of large payloads. */
  readonly compression?: CompressionOptions;
  /** How far one message may lead. */
  readonly limits?: Partial<CausalityLimits>;
  /** Milliseconds that running handlers get when the network closes. Default: 10,000. */
  readonly drainMs?: number;
  /** Close in order on SIGTERM and SIGINT. Default: true. */
  readonly drainOnSignals?: boolean;
  /**
   * Stop asking an address that keeps failing, for a while: requests to it are refused with
   * CIRCUIT_OPEN. `true` takes the defaults. Default: false.
   */
  readonly breaker?: Switch<BreakerOptions>;
  /**
   * Put dead letters of this space back by themselves, some time after they died, a few times. It is
   * enough that one process does. `true` takes the defaults: after 10 minutes, 3 times. Default: false.
   */
  readonly replayDead?: Switch<AutomaticReplayOptions>;
  /** Told of failures that no caller waits for. Default: one line on standard error. */
  readonly onError?: (error: unknown, where: string) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Gives up joining. */
  readonly signal?: AbortSignal;
}

/**
 * Joins the fabric that `url` names:
 *
 *   embedded:          the nearest .colloquy/ upwards, or a new one here; shared by all processes
 *   embedded:PATH      the store in that directory
 *   memory:            this process only, nothing kept
 *   unix:PATH          a hub on a Unix socket
 *   tcp://HOST:PORT    a hub over TCP; tls:// under TLS 1.3. Default port: 4481
 *   ws://HOST:PORT     a hub over a WebSocket; wss:// under TLS 1.3
 *
 * @throws INVALID_OPTION for a URL it does not know, NOT_FOUND with `create: false`, AGENT_UNREACHABLE, STORE_FAILED, CANCELLED.
 */
export async function join(
  urlOrOptions?: string | JoinOptions,
  more: JoinOptions = {},
): Promise<Network> {
  const options = typeof urlOrOptions === "object" ? urlOrOptions : more;
  const url = typeof urlOrOptions === "string" ? urlOrOptions : options.url;
  const { clock = systemClock, random = systemRandom, space = "default", copy = false } = options;
  positive("drainMs", options.drainMs);
  const breaker = switched(options.breaker, defaultBreaker);
  if (breaker !== undefined) checkBreaker(breaker);
  const limits = checkLimits(options.limits);
  const compression = checkCompression(options.compression ?? {});
  const replayDead = automaticReplay(options.replayDead);
  const { signal } = options;
  throwIfAborted(signal);
  const runtime = withRuntime(() =>
    options.broker === undefined
      ? openBroker(url, options, clock, random)
      : Promise.resolve(options.broker),
  );
  const broker = await orClosed(runtime, signal);
  try {
    const network = new Network(broker, {
      clock,
      random,
      space,
      process: { name: options.name ?? defaultName(), host: hostname(), pid: process.pid },
      copy,
      compression,
      limits,
      drainMs: options.drainMs ?? 10_000,
      drainOnSignals: options.drainOnSignals ?? true,
      onError: options.onError ?? report,
      breaker,
      replayDead,
    });
    await network.open();
    return network;
  } catch (error) {
    await broker.close();
    throw error;
  }
}

function openBroker(
  given: string | undefined,
  options: JoinOptions,
  clock: Clock,
  random: Random,
): Promise<Broker> {
  const url = given ?? process.env["COLLOQUY_URL"] ?? "embedded:";
  const common = { clock, random, name: options.name ?? defaultName() };
  const [, scheme, rest = ""] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case "memory":
      if (rest !== "") throw invalidOption("url", url, '"memory:" and nothing else');
      return Promise.resolve(openMemoryBroker({ clock }));
    case "embedded":
      return openEmbedded(storeDirectory(rest, process.cwd(), options.create ?? true), common);
    default: {
      const hub = hubAddress(url, options.tls);
      const credential = options.token ?? process.env["COLLOQUY_TOKEN"];
      const shown = credential === undefined ? {} : { credential };
      if (hub !== undefined) return openHubBroker({ ...common, ...hub, ...shown });
      const known = "embedded:, embedded:PATH, memory:, unix:PATH, tcp://, tls://, ws:// or wss://";
      throw invalidOption("url", url, known);
    }
  }
}

/** The open broker; when `signal` aborts first, it is closed as soon as it is there. */
async function orClosed(runtime: BrokerRuntime, signal: AbortSignal | undefined): Promise<Broker> {
  try {
    return await withAbort(runtime.open(), signal);
  } catch (error) {
    void runtime.close();
    throw error;
  }
}

function defaultName(): string {
  const program = process.argv[1]?.split(/[\\/]/).pop() ?? "node";
  return `${program} ${process.pid}`;
}

function report(error: unknown, where: string): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`colloquy: ${where}: ${text}\n`);
}
