/** Looking at messages: what became of one, and what waits. */
import type { RedisScript } from "../../script.ts";
import { endingScript, lookingScript, movingScript } from "./script.ts";

/**
 * The state of messages. One whose time has passed while nobody holds it expires now. Who has sent a
 * message is told its end anyway.
 *
 *   ARGV      session, then of each: queue, position, "" to look, "wait" to be told the end, "follow"
 *             to be told every change
 *   answer    of each { final state } or { state now, "1" if that is all that can be known, ms until it
 *             expires or -1 }
 */
export const trackScript: RedisScript = movingScript(
  "track",
  `
local session = ARGV[1]

local function track(q, position, how)
  local number = tonumber(position)
  if not q.declared or number < 1 or number >= q.next then return { 'U' } end
  local hold = heldAt(q, position)
  local entry, l = find(q, position)
  if not entry then
    return { call('HGET', at('ends', q), position) or (number > q.forgotten and 'D' or 'U') }
  end
  local record = recordOf(q, position)
  local expires = not hold and entry.expires and tonumber(entry.expires)
  if expires and expires <= time then
    call('ZREM', front(l, q), position)
    call('ZREM', at('later', q), l .. ':' .. position)
    if entry.key then call('ZREM', at('parked', q), parkedName(l, entry.key, position)) end
    finish(q, position, { lane = l, key = entry.key, from = entry.from }, expired, record)
    return { expired }
  end
  local known = true
  if how == 'wait' then
    if entry.from ~= session then join(q, 'track', position, session) end
  else
    known = not hold or record and (record.followed or record.phase) and true or false
    if how == 'follow' or not known then join(q, 'follow', position, session) end
    if not known then
      record = record or freshRecord()
      if notify(q, position, hold, 'follow') then
        record.followed = true
        keep(q, position, record)
      else
        known = true
      end
    end
  end
  return { liveState(q, position, record, hold), known and '1' or '0', expires and text(expires - time) or '-1' }
end

local answer = {}
for i = 2, #ARGV, 3 do answer[#answer + 1] = track(open(ARGV[i]), ARGV[i + 1], ARGV[i + 2]) end
wakeAll()
return answer
`,
);

/** Nobody in the session follows the message any more: once, or it could end what was begun anew. ARGV: queue, position, session. */
export const unfollowScript: RedisScript = endingScript(
  "unfollow",
  `
local q, position = open(ARGV[3]), ARGV[4]
local left = {}
eachSession(call('HGET', at('follow', q), position) or '', function(session)
  if session ~= ARGV[5] then left[#left + 1] = session end
end)
if #left == 0 then
  call('HDEL', at('follow', q), position)
else
  call('HSET', at('follow', q), position, table.concat(left, ' '))
end
return 'left'
`,
);

/**
 * Messages after a position, without touching them; some of each lane.
 *
 *   ARGV      queue, position
 *   answer    of each lane: { "1" if there are more, { position, lane, state, due, failures, pickups, crashes, frame } * }
 */
export const browseScript: RedisScript = lookingScript(
  "browse",
  `
local q = open(ARGV[1])
local answer = {}
for l in string.gmatch(q.lanes, '%d') do
  local part, bytes, after, more = { '0' }, 0, ARGV[2], true
  while more and #part <= 64 and bytes < 1048576 do
    local entries = call('XRANGE', lane(l, q), '(' .. id(after), '+', 'COUNT', 8)
    more = #entries == 8
    for _, each in ipairs(entries) do
      local position, entry = string.sub(each[1], 1, -3), entryOf(each[2])
      after = position
      bytes = bytes + #entry.frame
      local record = recordOf(q, position) or freshRecord()
      local due = math.max(record.due, tonumber(entry.notBefore or '0'))
      local state = heldAt(q, position) and 'offered' or due > time and 'scheduled' or 'queued'
      part[#part + 1] = {
        position, l, state, text(due), record.failures, record.pickups, record.crashes, entry.frame,
      }
    end
  end
  part[1] = more and '1' or '0'
  answer[#answer + 1] = part
end
return answer
`,
);
