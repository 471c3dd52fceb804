/** What a Redis broker is opened with, checked where it enters. */
import { invalidOption } from "../../errors.ts";
import {
  abortSignal,
  aClock,
  anObject,
  aRandom,
  type Check,
  type Checks,
  checkOptions,
  eachOf,
  number,
  withDefaults,
  withMethods,
} from "../../message/checks.ts";
import type { Clock } from "../../runtime/clock.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import { systemRandom } from "../../runtime/random.ts";
import type { RedisClient } from "./client.ts";

export interface RedisBrokerOptions extends Partial<RedisBrokerLimits> {
  /** `redis[s]://[[user]:password@]host[:port][/database]`. Either this or `client`. */
  readonly url?: string;
  /** A client of `@redis/client`: its options are used to connect, it itself is left as it is. */
  readonly client?: RedisClient;
  /** With `url`: in place of those in it. */
  readonly username?: string;
  readonly password?: string;
  /** With `rediss://`: as `node:tls` takes them, such as `ca`, `cert`, `key`, `servername`. */
  readonly tls?: object;
  /**
   * Everything on the server lies under it, so that fabrics can share a server: 1 to 64 letters,
   * digits and `_ - . : /`. Default: "colloquy".
   */
  readonly prefix?: string;
  /** Who connects, for people. Default: "colloquy". */
  readonly name?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Gives up connecting for the first time. */
  readonly signal?: AbortSignal;
}

export interface RedisBrokerLimits {
  /** How long what this process holds stays its own while the server hears nothing of it, 100 or more. Default: 10,000. */
  readonly leaseMs: number;
  /** How long the server may be silent when something was asked of it; then the connection is given up. Default: 10,000. */
  readonly silenceMs: number;
  /** How long it may take to reach the server. Default: 5,000. */
  readonly connectTimeoutMs: number;
  /** The wait before connecting again is drawn from 0 up to this, which doubles. Default: 10. */
  readonly backoffMinMs: number;
  /** Where the doubling stops. Default: 1,000. */
  readonly backoffMaxMs: number;
  /** Bytes of publications that may wait for the server; beyond them they are lost. Default: 128 MiB. */
  readonly waitingBytesMax: number;
  /** Bytes of calls that may wait for an answer; what writes waits for room then, the rest is refused with QUEUE_FULL. Default: 64 MiB. */
  readonly callBytesMax: number;
}

const defaultLimits: RedisBrokerLimits = {
  leaseMs: 10_000,
  silenceMs: 10_000,
  connectTimeoutMs: 5_000,
  backoffMinMs: 10,
  backoffMaxMs: 1_000,
  waitingBytesMax: 128 * 2 ** 20,
  callBytesMax: 64 * 2 ** 20,
};

const leaseMsMin = 100;
const prefixCharacters = /^[A-Za-z0-9_.:/-]{1,64}$/;
const nameCharactersMax = 256;

/** Everything decided. */
export interface RedisSettings {
  /** What `createClient` takes; undefined with a client that was handed in. */
  readonly connect: object | undefined;
  readonly client: RedisClient | undefined;
  /** For people: where the server is, without who asks. */
  readonly where: string;
  readonly prefix: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
  readonly limits: RedisBrokerLimits;
}

/** What must not be seen is never shown. */
const aSecret: Check = (field, value) => {
  if (typeof value !== "string") throw invalidOption(field, typeof value, "a text");
};

const optionChecks: Checks<RedisBrokerOptions> = {
  ...eachOf(defaultLimits, number(1)),
  leaseMs: number(leaseMsMin),
  url: aSecret,
  client: withMethods("a client of @redis/client, as createClient gives", "duplicate"),
  username: aSecret,
  password: aSecret,
  tls: anObject,
  prefix: (field, value) => {
    if (typeof value === "string" && prefixCharacters.test(value)) return;
    throw invalidOption(field, value, "1 to 64 letters, digits and _ - . : /");
  },
  name: (field, value) => {
    if (typeof value === "string" && value.length <= nameCharactersMax) return;
    throw invalidOption(field, value, `text of at most ${nameCharactersMax} characters`);
  },
  clock: aClock,
  random: aRandom,
  signal: abortSignal,
};

/** @throws INVALID_OPTION naming the option. */
export function redisSettings(given: string | RedisBrokerOptions): RedisSettings {
  const options: RedisBrokerOptions = typeof given === "string" ? { url: given } : given;
  checkOptions(options, optionChecks);
  const { url, client, prefix = "colloquy", name = "colloquy" } = options;
  const { clock = systemClock, random = systemRandom, signal } = options;
  if ((url === undefined) === (client === undefined)) {
    throw invalidOption("url", url === undefined ? "nothing" : "both", "a URL, or else a client");
  }
  const reached = url === undefined ? { connect: undefined, where: "redis:" } : reach(url, options);
  const limits = checkLimits(options);
  return { ...reached, client, prefix, name, clock, random, signal, limits };
}

function reach(url: string, { username, password, tls }: RedisBrokerOptions) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const { protocol, host, pathname } = parsed ?? { protocol: "", host: "", pathname: "" };
  // Never the text itself: there may be a password in it.
  if (parsed === undefined || (protocol !== "redis:" && protocol !== "rediss:") || host === "") {
    throw invalidOption("url", protocol || "what was given", "redis://HOST or rediss://HOST");
  }
  if (!/^(\/\d*)?$/.test(pathname)) {
    // Neither: a slash in a password that is not encoded makes a path of its end.
    throw invalidOption("url", "its path", "the number of a database");
  }
  if (tls !== undefined && protocol !== "rediss:") {
    throw invalidOption("tls", "given", "used with redis://; use rediss://");
  }
  const connect = {
    url,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { socket: { ...tls, tls: true } }),
  };
  return { connect, where: `${protocol}//${host}${pathname === "/" ? "" : pathname}` };
}

function checkLimits(options: Partial<RedisBrokerLimits>): RedisBrokerLimits {
  const limits = withDefaults(options, defaultLimits);
  if (limits.backoffMaxMs < limits.backoffMinMs) {
    throw invalidOption("backoffMaxMs", limits.backoffMaxMs, `backoffMinMs or more`);
  }
  return limits;
}
