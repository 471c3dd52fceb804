/** Receivers and sessions end: in order, or by being silent for longer than their lease. */
import type { RedisScript } from "../../script.ts";
import { endingScript, movingScript } from "./script.ts";

export const leaving: string = `
-- Gives back what the receiver holds. Without seen, everything counts as seen by somebody.
local function endReceiver(q, receiver, crashed, seen)
  for _, position in ipairs(handsOf(q, receiver)) do
    local hold = heldAt(q, position)
    if hold and seen and not seen[position] and not hold.once then
      putBack(q, position, hold)
    elseif hold then
      abandon(q, position, hold, crashed)
    end
  end
  endLingeringOf(q, receiver, {})
  call('HDEL', at('receiving', q), receiver)
  call('HDEL', at('waiting', q), receiver)
  call('HDEL', at('pushed', q), receiver)
end

local function endSession(session, crashed)
  local key = base .. 'session:' .. session
  local all = call('HGETALL', key)
  for i = 1, #all, 2 do
    local q = open(all[i + 1])
    endReceiver(q, all[i], crashed)
  end
  call('DEL', key)
  call('ZREM', base .. 'sessions', session)
end
`;

/**
 * One receiver ends in order.
 *
 *   ARGV      queue, receiver, session, "crash" or "release", channel and message that announce dead
 *             letters, then the positions it has seen of what it holds
 */
const leaveBody = (first: number): string => `
local q = open(ARGV[${first}])
local receiver, session = ARGV[${first + 1}], ARGV[${first + 2}]
local seen = {}
for i = ${first + 6}, #ARGV do seen[ARGV[i]] = true end
endReceiver(q, receiver, ARGV[${first + 3}] == 'crash', seen)
call('HDEL', base .. 'session:' .. session, receiver)
announce(ARGV[${first + 4}], ARGV[${first + 5}])
wakeAll()
return 'left'
`;

export const leaveScript: RedisScript = endingScript("leave queue", leaveBody(3));

/** The same when the broker closes, and nothing is asked any more: what it has done it does not do again. */
export const leaveLastScript: RedisScript = movingScript("leave queue at last", leaveBody(1));

/**
 * A session says that it lives; those that have been silent for too long are ended. If nobody has said
 * anything for half a lease, the server was away or its clock has jumped: nobody is blamed.
 *
 *   ARGV      session, lease ms, channel and message that announce dead letters, "1" when it leaves
 *   answer    1 if it was known, 0 if it was ended meanwhile or is new
 */
export const beatScript: RedisScript = movingScript(
  "beat of queues",
  `
local session, lease, sessions = ARGV[1], tonumber(ARGV[2]), base .. 'sessions'
local known = call('ZSCORE', sessions, session)
local last = tonumber(call('HGET', base .. 'count', 'beat') or text(time))
call('HSET', base .. 'count', 'beat', text(time))
spare(sessions, last, lease)
if ARGV[5] == '1' then
  call('ZREM', sessions, session)
  call('DEL', base .. 'session:' .. session)
else
  call('ZADD', sessions, time + lease, session)
end
for _, silent in ipairs(call('ZRANGEBYSCORE', sessions, '-inf', '(' .. text(time), 'LIMIT', 0, 4)) do
  endSession(silent, true)
end
-- Queues where nothing ends any more have their turn, too.
local receiver = call('HRANDFIELD', base .. 'session:' .. session)
if receiver then
  local q = open(call('HGET', base .. 'session:' .. session, receiver))
  if q.declared then forgetEnds(q) end
end
announce(ARGV[3], ARGV[4])
wakeAll()
return known and 1 or 0
`,
);
