/** What a Redis broker is opened with, checked where it enters. */
import { invalidOption } from "../../errors.ts";
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

export interface CheckedOptions {
  /** What `createClient` takes; undefined with a client that was handed in. */
  readonly connect: object | undefined;
  readonly client: RedisClient | undefined;
  /** For people: where the server is, without who asks. */
  readonly where: string;
  readonly prefix: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: RedisBrokerLimits;
}

/** @throws INVALID_OPTION naming the option. */
export function checkOptions(given: string | RedisBrokerOptions): CheckedOptions {
  const options = typeof given === "string" ? { url: given } : given;
  if (typeof options !== "object" || options === null) {
    throw invalidOption("options", options, "a URL or an object");
  }
  const { url, client, prefix = "colloquy", name = "colloquy" } = options;
  const { clock = systemClock, random = systemRandom } = options;
  if (typeof prefix !== "string" || !prefixCharacters.test(prefix)) {
    throw invalidOption("prefix", prefix, "1 to 64 letters, digits and _ - . : /");
  }
  if (typeof name !== "string" || name.length > nameCharactersMax) {
    throw invalidOption("name", name, `text of at most ${nameCharactersMax} characters`);
  }
  if ((url === undefined) === (client === undefined)) {
    throw invalidOption("url", url === undefined ? "nothing" : "both", "a URL, or else a client");
  }
  if (client !== undefined && typeof client.duplicate !== "function") {
    throw invalidOption(
      "client",
      typeof client,
      "a client of @redis/client, as createClient gives",
    );
  }
  const reached = url === undefined ? { connect: undefined, where: "redis:" } : reach(url, options);
  return { ...reached, client, prefix, name, clock, random, limits: checkLimits(options) };
}

function reach(url: string, { username, password, tls }: RedisBrokerOptions) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const { protocol, host, pathname } = parsed ?? { protocol: "", host: "", pathname: "" };
  // Never the text itself: there may be a password in it.
  if (parsed === undefined || (protocol !== "redis:" && protocol !== "rediss:") || host === "") {
    throw invalidOption("url", protocol || "what was given", "redis://HOST or rediss://HOST");
  }
  if (!/^(\/\d*)?$/.test(pathname)) {
    throw invalidOption("url", pathname, "a URL with the number of a database as its path");
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
  const limits = { ...defaultLimits };
  for (const field of Object.keys(defaultLimits) as (keyof RedisBrokerLimits)[]) {
    const value = options[field];
    if (value === undefined) continue;
    const least = field === "leaseMs" ? leaseMsMin : 1;
    if (!Number.isFinite(value) || value < least) {
      throw invalidOption(field, value, `a number, ${least} or more`);
    }
    limits[field] = value;
  }
  if (limits.backoffMaxMs < limits.backoffMinMs) {
    throw invalidOption("backoffMaxMs", limits.backoffMaxMs, `backoffMinMs or more`);
  }
  return limits;
}
