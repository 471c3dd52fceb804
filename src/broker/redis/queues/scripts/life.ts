/**
 * What is known of messages, and how they end. A state is one letter and its data:
 *
 *   D done   R done, and a result   F failed   X dead   E expired   C cancelled   W rescinded (withdrawn)
 *   U unknown: then JSON of an error, but for D, R and U
 */
import { cancelledJson, expiredJson, lostOnceJson, rescindedJson } from "./errors.ts";

export const life: string = `
local expired = 'E' .. [==[${expiredJson}]==]
local rescinded = 'W' .. [==[${rescindedJson}]==]
local cancelled = 'C' .. [==[${cancelledJson}]==]
local lostOnce = 'F' .. [==[${lostOnceJson}]==]

-- Who holds the message at a position: { fence, lane, receiver, once, from, key }.
local function parseHold(text)
  local fence, l, receiver, once, from, key = string.match(text, '^(%d+) (%d) (%S+) (%d) (%S+) (.*)$')
  return {
    fence = fence, lane = l, receiver = receiver, once = once == '1', from = from,
    key = key ~= '' and string.sub(key, 2) or nil,
  }
end
local function holdText(hold)
  local key = hold.key and ' =' .. hold.key or ' '
  return hold.fence .. ' ' .. hold.lane .. ' ' .. hold.receiver .. (hold.once and ' 1 ' or ' 0 ') .. (hold.from or '-') .. key
end
local function heldAt(q, position)
  local known = q.holds[position]
  local text = known == nil and call('HGET', at('held', q), position) or known
  return text and parseHold(text) or nil
end
-- Reads at once who holds many messages.
local function lookUp(q, positions)
  for from = 1, #positions, 512 do
    local last = math.min(#positions, from + 511)
    local texts = call('HMGET', at('held', q), unpack(positions, from, last))
    for i = from, last do q.holds[positions[i]] = texts[i - from + 1] end
  end
end
local function letGo(q, position)
  q.holds[position] = false
end

local function recordOf(q, position)
  if not watched('record', q) then return nil end
  local packed = call('HGET', at('record', q), position)
  return packed and cmsgpack.unpack(packed) or nil
end
local function keep(q, position, record)
  q.record = true
  call('HSET', at('record', q), position, cmsgpack.pack(record))
end
local function freshRecord()
  return { failures = 0, pickups = 0, crashes = 0, first = 0, last = 0, due = 0, past = {} }
end

-- Who held it until its lease ended has come back before anybody else was offered it: it had not vanished.
local function regained(record)
  record.lapsed = nil
  if not record.blamed then return end
  record.blamed = nil
  record.crashes = record.crashes - 1
  table.remove(record.past)
  local before = record.past[#record.past]
  record.last = before and before.at or 0
  if not before then record.first = 0 end
end

-- Whether its handler has asked anything; the number of the question that is open, or 0.
local function openQuestion(record)
  local asked = record and record.asked
  if not asked or #asked == 0 then return 0 end
  return asked[#asked].answer and 0 or #asked
end

-- State for whoever looks: a line of JSON, then bytes.
local function liveState(q, position, record, isHeld)
  local r = record or freshRecord()
  local state = isHeld and (r.phase or 'offered') or 'queued'
  local head = { failures = r.failures, pickups = r.pickups, crashes = r.crashes }
  local number = openQuestion(r)
  local data = ''
  if number > 0 and state ~= 'started' then
    state, head.number, data = 'waiting-input', number, r.asked[number].question
  else
    if state == 'waiting-input' then state = 'started' end
    if isHeld and r.progress then head.progress, data = true, r.progress end
  end
  head.state = state
  return 'L' .. cjson.encode(head) .. '\\n' .. data
end

local function tellFollowers(q, position, record, isHeld)
  local sessions = watched('follow', q) and call('HGET', at('follow', q), position)
  if not sessions then return end
  local state = liveState(q, position, record, isHeld)
  eachSession(sessions, function(session)
    tell(session, { t = 'live', q = q.name, p = position }, state)
  end)
end

-- Those who wanted the message back are told what has become of that.
local function endWithdrawals(record, outcome)
  for _, each in ipairs(record.withdrawals or {}) do
    tell(each.session, { t = 'withdrawn', n = each.request }, outcome)
  end
  record.withdrawals = nil
end

-- The message at a position is final, or its holder has gone: the next of its key may be offered.
local function release(q, l, key, position)
  local head = l .. ':' .. key
  if call('HGET', at('heads', q), head) ~= position then return end
  local line = l .. ':' .. #key .. ':' .. key
  local next = call('ZRANGEBYLEX', at('parked', q), '[' .. line .. '0', '(' .. line .. ':', 'LIMIT', 0, 1)
  if not next[1] then
    call('HDEL', at('heads', q), head)
    return
  end
  call('ZREM', at('parked', q), next[1])
  local heir = string.gsub(string.sub(next[1], #line + 1), '^0+', '')
  call('HSET', at('heads', q), head, heir)
  call('ZADD', front(l, q), heir, heir)
  q.ready = q.ready + 1
end

local function parkedName(l, key, position)
  return l .. ':' .. #key .. ':' .. key .. string.rep('0', 16 - #position) .. position
end

-- How long it is kept how messages ended, ms; and so many are forgotten in one go.
local endsKeptMs, forgetMax = 86400000, 64

-- Forgets what is too old: then nobody knows of older ones either whether they are done.
local function forgetEnds(q)
  if q.swept then return end
  q.swept = true
  local old = call('ZRANGEBYSCORE', at('endtimes', q), '-inf', text(time - endsKeptMs), 'LIMIT', 0, forgetMax)
  for _, position in ipairs(old) do
    call('HDEL', at('ends', q), position)
    call('ZREM', at('endtimes', q), position)
    q.forgotten = math.max(q.forgotten, tonumber(position))
  end
  if old[1] then call('HSET', at('info', q), 'forgotten', text(q.forgotten)) end
end

-- Makes the message final. hold = { lane, from, key }; it stays with its holder where it lingers.
local function finish(q, position, hold, state, record, lingers)
  local ended = endedIn(q, hold.lane)
  ended[#ended + 1] = position
  q.ended[position] = true
  letGo(q, position)
  if record then
    call('HDEL', at('record', q), position)
    local letter = string.sub(state, 1, 1)
    endWithdrawals(record, letter == 'C' and 'cancelled' or letter == 'W' and 'rescinded' or 'too-late')
  end
  -- That it is done goes without saying, unless those that were there before are forgotten.
  if state ~= 'D' or tonumber(position) <= q.forgotten then
    call('HSET', at('ends', q), position, state)
    call('ZADD', at('endtimes', q), time, position)
    forgetEnds(q)
  end
  tellEnd(q, position, state, hold.from)
  if lingers then
    call('HSET', at('linger', q), position, holdText(hold))
  elseif hold.key then
    release(q, hold.lane, hold.key, position)
  end
end
`;
