import type { RedisScript } from "../../script.ts";
import { movingScript } from "./script.ts";

/**
 * A receiver begins, or goes on after its connection was lost: it has what it claims, if nobody was
 * offered that since, and nothing else. A take that is still on its way with an older generation comes
 * to nothing.
 *
 *   ARGV      queue, receiver, generation, "1" if it hears notices, session, lease ms, consumer,
 *             then of each claim: position, fence
 *   answer    of each claim: 1 held, 2 held and waiting for input, 3 cancelled in its hands, 0 somebody else's
 */
export const holdScript: RedisScript = movingScript(
  "hold",
  `
local q = open(ARGV[1])
local receiver, session = ARGV[2], ARGV[5]
-- What an earlier link has sent may arrive after a later one.
local before = string.match(call('HGET', at('receiving', q), receiver) or '', '^%d+')
if before and tonumber(before) > tonumber(ARGV[3]) then return {} end
call('ZADD', base .. 'sessions', time + tonumber(ARGV[6]), session)
call('HSET', base .. 'session:' .. session, receiver, q.name)
call('HDEL', at('waiting', q), receiver)
call('HDEL', at('pushed', q), receiver)
call('HSET', at('receiving', q), receiver, ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[7])

local function claim(position, fence)
  local hold = heldAt(q, position)
  local record = recordOf(q, position)
  if hold then
    if hold.fence ~= fence then return nil end
  elseif record and record.lapsed and record.fence == fence then
    local entry, l = find(q, position)
    if not entry then return nil end
    call('ZREM', front(l, q), position)
    call('ZREM', at('later', q), l .. ':' .. position)
    hold = { fence = fence, lane = l, key = entry.key, once = entry.guarantee == 'at-most-once', from = entry.from }
    regained(record)
    keep(q, position, record)
  else
    return nil
  end
  hold.receiver = receiver
  call('HSET', at('held', q), position, holdText(hold))
  q.holds[position] = nil
  return hold, record
end

-- What it has to know, and may have been told while it could not hear.
local function brief(position, hold, record)
  for number, question in ipairs(record and record.asked or {}) do
    if question.answer then notify(q, position, hold, 'input', question.answer, number) end
  end
  if record and record.withdrawals and #record.withdrawals > 0 then notify(q, position, hold, 'withdraw') end
  if record and record.followed or call('HEXISTS', at('follow', q), position) == 1 then
    notify(q, position, hold, 'follow')
  end
end

local answer, claimed = {}, {}
for i = 8, #ARGV, 2 do
  local position, fence = ARGV[i], ARGV[i + 1]
  local hold, record = claim(position, fence)
  if hold then
    claimed[position] = true
    if record and openQuestion(record) > 0 and record.phase ~= 'waiting-input' then
      record.phase = 'waiting-input'
      keep(q, position, record)
    end
    answer[#answer + 1] = record and record.phase == 'waiting-input' and 2 or 1
    brief(position, hold, record)
  else
    local held = call('HGET', at('linger', q), position)
    local lingering = held and parseHold(held)
    local mine = lingering and lingering.fence == fence
    if mine then
      claimed[position] = true
      lingering.receiver = receiver
      call('HSET', at('linger', q), position, holdText(lingering))
    end
    answer[#answer + 1] = mine and 3 or 0
  end
end

-- Offered to it, but the answer was lost on the way: nobody saw it.
for _, position in ipairs(handsOf(q, receiver)) do
  if not claimed[position] then putBack(q, position, heldAt(q, position)) end
end
endLingeringOf(q, receiver, claimed)
wakeAll()
return answer
`,
);
