/**
 * Who is there: every broker object shows itself to the server a few times within its lease, by the
 * server's clock, and whoever does so clears away what others left that did not.
 *
 *   {p}:sessions        sorted set: session → until when it is there, ms
 *   {p}:sessions:last   when anybody has shown itself last
 *   {p}:run             which run of the server the volatile entries are from
 *
 * If nobody has for half a lease, the server was away, or its clock has jumped: nobody is blamed, and
 * that time does not count. A session that is not in the set, or only until before now, is gone:
 * it may come back, with nothing.
 */
import type { Timer } from "../../runtime/clock.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import type { RedisLink } from "./link.ts";
import { callsKeptMs, type RedisScript, repeatableScript } from "./script.ts";

/** How often a session shows itself within its lease. */
const beatsPerLease = 3;

/** What scripts may call. */
export const sessionsPart: string = `
-- Nobody has shown itself since last, which is long for this lease: the server was away, its clock has
-- jumped, or others have longer leases. Nobody is blamed: all have left what they had then, and time to come back;
-- less than lies between two signs of life, or the dead would live on where machines are late every other time.
-- Where it has been so long before every sign of life, nothing tells the dead from the late: they live on.
local function spare(sessions, last, lease)
  if time >= last and time - last <= lease / 2 then return end
  local all = call('ZRANGE', sessions, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    call('ZADD', sessions, text(math.max(tonumber(all[i + 1]) + time - last, time + lease / 4)), all[i])
  end
end

-- What is bound to it goes.
local function endBound(session)
  call('ZREM', root .. 'sessions', session)
  local bound = root .. 's:b:' .. session
  for _, key in ipairs(call('SMEMBERS', bound)) do storeDelete(key) end
  call('DEL', bound)
end
`;

/** ARGV: session, lease in ms, run of the server or nothing. @returns how many sessions have ended. */
export const beatScript: RedisScript = repeatableScript(
  "beat",
  `local session, lease, run = ARGV[1], tonumber(ARGV[2]), ARGV[3]
call('PEXPIRE', root .. 'c:' .. session, ${callsKeptMs})
local last = tonumber(call('GET', root .. 'sessions:last') or text(time))
if run ~= '' and call('GET', root .. 'run') ~= run then
  for _, key in ipairs(call('SMEMBERS', root .. 's:m')) do storeDelete(key) end
  call('SET', root .. 'run', run)
end
spare(root .. 'sessions', last, lease)
call('SET', root .. 'sessions:last', text(time))
call('ZADD', root .. 'sessions', text(time + lease), session)
local gone = call('ZRANGEBYSCORE', root .. 'sessions', '-inf', text(time), 'LIMIT', 0, 100)
for _, other in ipairs(gone) do endBound(other) end
return #gone`,
);

/** ARGV: session. Ends it, with all that is bound to it. */
export const leaveScript: RedisScript = repeatableScript("leave", "endBound(ARGV[1]) return 0");

export class Sessions implements LinkPart {
  readonly #connection: RedisConnection;
  readonly #runOf: () => string;
  #timer: Timer | undefined;

  /** @param runOf - the run of the server of the present link; empty where it is unknown. */
  constructor(connection: RedisConnection, runOf: () => string) {
    this.#connection = connection;
    this.#runOf = runOf;
    connection.add(this);
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
    await link.evaluate(leaveScript, [names.key("sessions")], [session]);
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
    const parameters = [session, String(Math.ceil(limits.leaseMs)), run];
    await link.evaluate(beatScript, [names.key("sessions")], parameters);
  }
}
