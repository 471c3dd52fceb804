import type { Broker } from "../broker/broker.ts";
import type { BreakerOptions } from "../delivery/breaker.ts";
import type { Switch } from "../delivery/policy.ts";
import { invalidOption } from "../errors.ts";
import { type ClientTls, clientTlsChecks } from "../link/tls-options.ts";
import { assertId } from "../message/address.ts";
import {
  abortSignal,
  aboveZero,
  aClock,
  aFunction,
  aRandom,
  type Checks,
  checkedWithin,
  checkOptions,
  flag,
  options,
  text,
} from "../message/checks.ts";
import type { CompressionOptions } from "../message/compression.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { AutomaticReplayOptions } from "./automatic-replay.ts";
import type { JoinLimits } from "./limits.ts";

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
  /** For tls://, wss://, nats+tls:// and rediss://: whom to trust, and what to show. Default: the authorities that Node knows. */
  readonly tls?: ClientTls;
  /** Shown to a hub that asks who comes; to NATS as its token, to Redis as its password. Default: the environment's COLLOQUY_TOKEN, then none. */
  readonly token?: string;
  /** Copy payloads also between agents of one process, as a process boundary would. Default: false. */
  readonly copy?: boolean;
  /** Of large payloads. */
  readonly compression?: CompressionOptions;
  /** How far one message may lead, and what the broker that is opened holds at most. */
  readonly limits?: Partial<JoinLimits>;
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

const joinChecks: Checks<JoinOptions> = {
  url: text,
  broker: (field, value) => {
    const { topics, queues, close } = Object(value) as Partial<Broker>;
    const fits = [topics, queues].every((port) => typeof port === "object" && port !== null);
    if (!fits || typeof close !== "function") throw invalidOption(field, value, "a broker");
  },
  name: text,
  space: assertId,
  create: flag,
  tls: options(clientTlsChecks),
  token: text,
  copy: flag,
  compression: checkedWithin,
  limits: checkedWithin,
  breaker: checkedWithin,
  replayDead: checkedWithin,
  drainMs: aboveZero,
  drainOnSignals: flag,
  onError: aFunction,
  clock: aClock,
  random: aRandom,
  signal: abortSignal,
};

/** @throws INVALID_OPTION, INVALID_ADDRESS for `space`. */
export function checkJoin(given: JoinOptions): void {
  checkOptions(given, joinChecks);
}
