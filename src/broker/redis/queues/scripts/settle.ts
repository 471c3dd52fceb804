import { logLibrary } from "../../log-script.ts";
import type { RedisScript } from "../../script.ts";
import { storeLibrary } from "../../store-script.ts";
import { intake } from "./intake.ts";
import { offers } from "./offers.ts";
import { endingScript } from "./script.ts";

/**
 * Ends attempts, each with its effects or, where one of them cannot be, not at all.
 *
 *   ARGV      session, channel and message that announce dead letters, then of each settlement:
 *             queue, position, fence, outcome, data, short error, delay, count of effects,
 *             and of each effect its kind, count of parameters, parameters
 *   answer    of each: "settled", "stale", or { why it is refused, ... }
 */
export const settleScript: RedisScript = endingScript(
  "settle",
  `${intake}${offers}
-- What the store and the log can do: they have a base of their own, without the part of the queues.
local putConflict, putAll, nextOf, appendAll
do
local base = string.sub(base, 1, -3)
${storeLibrary}
${logLibrary}
putConflict, putAll, nextOf, appendAll = storeConflict, storeWriteAll, logNext, logAppend
end

local session = ARGV[3]
sender = session
-- Ends of states that settlements lead to, by their outcome.
local letters = { failed = 'F', expired = 'E', rescinded = 'W', cancelled = 'C' }

-- What lapsed and was not offered to anybody since is still the old holder's.
local function regain(q, position, fence)
  local record = recordOf(q, position)
  if not record or not record.lapsed or record.fence ~= fence then return nil end
  local entry, l = find(q, position)
  if not entry then return nil end
  call('ZREM', front(l, q), position)
  call('ZREM', at('later', q), l .. ':' .. position)
  return { fence = fence, lane = l, receiver = '-', once = false, from = entry.from, key = entry.key }, record
end

-- The handler of a cancelled message has ended.
local function endLingering(q, position, fence)
  local held = call('HGET', at('linger', q), position)
  local hold = held and parseHold(held)
  if not hold or hold.fence ~= fence then return end
  call('HDEL', at('linger', q), position)
  notify(q, position, hold, 'gone')
  if hold.key then release(q, hold.lane, hold.key, position) end
end

local function obstacleToOutcome(record, kind)
  local phase = record and record.phase
  local asked = record and record.asked and #record.asked > 0
  local from = asked and 'waiting-input' or phase or 'offered'
  if kind == 'rescinded' and from ~= 'offered' then return { 'illegal', from, kind } end
  if kind == 'expired' and from == 'started' then return { 'illegal', from, kind } end
end

local function effectsAt(i, count)
  local effects = {}
  for _ = 1, count do
    local parameters = tonumber(ARGV[i + 1])
    effects[#effects + 1] = { kind = ARGV[i], at = i + 2, parameters = parameters }
    i = i + 2 + parameters
  end
  return effects, i
end

-- Looks at all of them before the first is made, each as if those before it had been.
local function obstacleToEffects(effects)
  local seen, nexts = {}, {}
  for _, effect in ipairs(effects) do
    local first = effect.at
    if effect.kind == 'enqueue' then
      local q, m = open(ARGV[first]), messageAt(first + 1)
      local obstacle = not storedBefore(q, m) and obstacleTo(q, m)
      if obstacle then return { obstacle, q.name } end
    elseif effect.kind == 'put' then
      local key, revision = putConflict(ARGV, first, 1, time, seen)
      if key then return { 'key', key, text(revision) } end
    elseif effect.kind == 'append' then
      local stream, wanted = ARGV[first], ARGV[first + 1]
      local next = nexts[stream] or nextOf(stream)
      if wanted ~= '' and tonumber(wanted) ~= next then return { 'stream', stream, text(next) } end
      nexts[stream] = next + effect.parameters - 2
    end
  end
end

local function apply(effects)
  for _, effect in ipairs(effects) do
    local first = effect.at
    if effect.kind == 'enqueue' then
      local q, m = open(ARGV[first]), messageAt(first + 1)
      if not storedBefore(q, m) then store(q, m) end
    elseif effect.kind == 'put' then
      putAll(ARGV, first, 1, session, time)
    elseif effect.kind == 'append' then
      appendAll(ARGV[first], ARGV, first + 2, effect.parameters - 2)
    else
      call('PUBLISH', ARGV[first], ARGV[first + 1])
    end
  end
end

local function settle(i, effects)
  local q, position, fence, kind = open(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local data, short, delay = ARGV[i + 4], ARGV[i + 5], tonumber(ARGV[i + 6])
  local hold, record = heldAt(q, position), nil
  if hold and hold.fence ~= fence then return 'stale' end
  if hold then
    record = recordOf(q, position)
  else
    endLingering(q, position, fence)
    hold, record = regain(q, position, fence)
    if not hold then return 'stale' end
  end
  local obstacle = obstacleToOutcome(record, kind) or obstacleToEffects(effects)
  if obstacle then return obstacle end
  if kind == 'done' then
    finish(q, position, hold, short == '' and 'D' or 'R' .. data, record)
  elseif letters[kind] then
    finish(q, position, hold, letters[kind] .. data, record)
  else
    record = record or freshRecord()
    record.fence = fence
    if kind == 'dead' then
      failed(q, record, hold, short)
      bury(q, position, hold, record, data)
    elseif kind == 'release' then
      notStarted(q, position, hold, record)
    elseif hold.once then
      finish(q, position, hold, 'F' .. data, record)
    else
      failed(q, record, hold, short)
      record.failures = record.failures + 1
      giveBack(q, position, hold, record, delay > 0 and time + delay or 0)
    end
  end
  if sessionOf(hold.receiver) ~= session then notify(q, position, hold, 'gone') end
  apply(effects)
  return 'settled'
end

-- Where each settlement begins, and what it has as effects.
local settlements, positions = {}, {}
local i = 6
while i <= #ARGV do
  local effects, after = effectsAt(i + 8, tonumber(ARGV[i + 7]))
  settlements[#settlements + 1] = { at = i, effects = effects }
  local ofQueue = positions[ARGV[i]] or {}
  positions[ARGV[i]] = ofQueue
  ofQueue[#ofQueue + 1] = ARGV[i + 1]
  i = after
end
for name, ofQueue in pairs(positions) do lookUp(open(name), ofQueue) end
local answer = {}
for index, each in ipairs(settlements) do answer[index] = settle(each.at, each.effects) end
announce(ARGV[4], ARGV[5])
stored()
return answer
`,
);
