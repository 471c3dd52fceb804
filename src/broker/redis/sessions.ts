/**
 * Who is there: every broker object shows itself to the server a few times within its lease, by the
 * server's clock, and whoever does so clears away what others left that did not.
 *
 *   {p}:sessions        sorted set: session → until when it is there, ms
 *   {p}:sessions:last   when anybody has shown itself last
 *   {p}:run             which run of the server the volatile entries are from
 *
 * If nobody has for half a lease, the server was away, or its clock has jumped: nobody is blamed, and
 * everybody gets another lease. A session that is not in the set, or only until before now, is gone:
 * it may come back, with nothing.
 */
import type { Timer } from "../../runtime/clock.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import type { RedisLink } from "./link.ts";
import { readScript } from "./script.ts";
import { storeLibrary } from "./store-script.ts";

/** How often a session shows itself within its lease. */
const beatsPerLease = 3;

/** In scripts that have `base` and `storeLibrary`. */
const sessionsLibrary = `${storeLibrary}
local function endSession(session)
  redis.call('ZREM', base .. 'sessions', session)
  local bound = base .. 's:b:' .. session
  for _, key in ipairs(redis.call('SMEMBERS', bound)) do storeDelete(key) end
  redis.call('DEL', bound)
end`;

/** ARGV: base, session, lease in ms, run of the server or nothing. @returns how many sessions have ended. */
const beat = readScript(
  "beat",
  `local base, session, lease, run = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
${sessionsLibrary}
-- Takes nothing away; but after a write that needs no memory a full server lets the others pass.
redis.call('ZREM', base .. 'sessions', '')
local at = now()
local last = tonumber(redis.call('GET', base .. 'sessions:last') or 0)
if run ~= '' and redis.call('GET', base .. 'run') ~= run then
  for _, key in ipairs(redis.call('SMEMBERS', base .. 's:m')) do storeDelete(key) end
  redis.call('SET', base .. 'run', run)
end
if at - last > lease / 2 or at < last then
  for _, other in ipairs(redis.call('ZRANGE', base .. 'sessions', 0, -1)) do
    redis.call('ZADD', base .. 'sessions', text(at + lease), other)
  end
end
redis.call('SET', base .. 'sessions:last', text(at))
redis.call('ZADD', base .. 'sessions', text(at + lease), session)
local gone = redis.call('ZRANGEBYSCORE', base .. 'sessions', '-inf', text(at), 'LIMIT', 0, 100)
for _, other in ipairs(gone) do endSession(other) end
return #gone`,
);

/** ARGV: base, session. Ends it, with all that is bound to it. */
const leave = readScript(
  "leave",
  `local base, session = ARGV[1], ARGV[2]
${sessionsLibrary}
endSession(session)
return 0`,
);

export class Sessions implements LinkPart {
  readonly #connection: RedisConnection;
  readonly #runOf: () => string;
  #timer: Timer | undefined;

  /** @param runOf - the run of the server of the present link; empty where it is unknown. */
  constructor(connection: RedisConnection, runOf: () => string) {
    this.#connection = connection;
    this.#runOf = runOf;
    connection.add(this, [beat, leave]);
  }

  async begin(link: RedisLink): Promise<void> {
    await this.#beat(link, this.#runOf());
  }

  ready(): void {
    this.#next();
  }

  lost(): void {
    this.#timer?.cancel();
  }

  closed(): void {
    this.#timer?.cancel();
  }

  async leave(link: RedisLink): Promise<void> {
    const { names, session } = this.#connection;
    await link.evaluate(leave, [names.key("sessions")], [names.base, session]);
    await link.send(["UNLINK", names.key("c", session)]);
  }

  #next(): void {
    const { clock, limits } = this.#connection;
    this.#timer = clock.setTimer(limits.leaseMs / beatsPerLease, () => {
      const { link } = this.#connection;
      if (link === undefined) return;
      // A link that breaks is told by itself; what is refused now may not be the next time.
      this.#beat(link, "").catch(() => {});
      this.#next();
    });
  }

  async #beat(link: RedisLink, run: string): Promise<void> {
    const { names, session, limits } = this.#connection;
    const parameters = [names.base, session, String(Math.ceil(limits.leaseMs)), run];
    await link.evaluate(beat, [names.key("sessions")], parameters);
  }
}
