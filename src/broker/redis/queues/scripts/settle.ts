import type { RedisScript } from "../../script.ts";
import { endingScript } from "./script.ts";

const settling = `
-- Ends of states that settlements lead to, by their outcome.
local letters = { failed = 'F', expired = 'E', rescinded = 'W', cancelled = 'C' }

-- What lapsed and was not offered to anybody since is still the old holder's. It stays where it waits.
local function lapsedAt(q, position, fence)
  local record = recordOf(q, position)
  if not record or not record.lapsed or record.fence ~= fence then return nil end
  local entry, l = find(q, position)
  if not entry then return nil end
  return { fence = fence, lane = l, receiver = '-', once = false, from = entry.from, key = entry.key, lapsed = true }, record
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

local none = {}
local function effectsAt(i, count)
  if count == 0 then return none, i end
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
  if effects == none then return nil end
  local seen, nexts = {}, {}
  for _, effect in ipairs(effects) do
    local first = effect.at
    if effect.kind == 'enqueue' then
      local q, m = open(ARGV[first]), messagesAt(first + 1)[1]
      local obstacle = not storedBefore(q, m) and obstacleTo(q, m)
      if obstacle then return { obstacle, q.name } end
    elseif effect.kind == 'put' then
      local key, revision = storeConflict(ARGV, first, 1, seen)
      if key then return { 'key', key, text(revision) } end
    elseif effect.kind == 'append' then
      local stream, wanted = ARGV[first], ARGV[first + 1]
      local next = nexts[stream] or logNext(stream)
      if wanted ~= '' and tonumber(wanted) ~= next then return { 'stream', stream, text(next) } end
      nexts[stream] = next + effect.parameters - 2
    end
  end
end

local function apply(effects)
  for _, effect in ipairs(effects) do
    local first = effect.at
    if effect.kind == 'enqueue' then
      local q, m = open(ARGV[first]), messagesAt(first + 1)[1]
      if not storedBefore(q, m) then store(q, m) end
    elseif effect.kind == 'put' then
      storeWriteAll(ARGV, first, 1, sender)
    elseif effect.kind == 'append' then
      logAppend(ARGV[first], ARGV, first + 2, effect.parameters - 2)
    else
      call('PUBLISH', ARGV[first], ARGV[first + 1])
    end
  end
end

-- Receivers that wait for more have so much more room: they need not ask.
local function makeRoom(q)
  for receiver, count in pairs(q.freed) do
    local registered = call('HGET', at('waiting', q), receiver)
    if registered then
      local generation, room = string.match(registered, '^(%d+) (%d+)$')
      call('HSET', at('waiting', q), receiver, generation .. ' ' .. text(tonumber(room) + count))
    end
  end
end

local function settle(run, q, position, fence)
  local kind, data, short, delay, effects = run.kind, run.data, run.short, run.delay, run.effects
  local hold, record = heldAt(q, position), nil
  if hold and hold.fence ~= fence then return 0 end
  if hold then
    record = recordOf(q, position)
  else
    endLingering(q, position, fence)
    hold, record = lapsedAt(q, position, fence)
    if not hold then return 0 end
  end
  local obstacle = obstacleToOutcome(record, kind) or obstacleToEffects(effects)
  if obstacle then return obstacle end
  if hold.lapsed then
    call('ZREM', front(hold.lane, q), position)
    call('ZREM', at('later', q), hold.lane .. ':' .. position)
    regained(record)
  end
  -- One that has asked something may have made room before; what goes back is not for who had it before it asks.
  if not record and (kind == 'done' or letters[kind]) then
    q.freed[hold.receiver] = (q.freed[hold.receiver] or 0) + 1
  end
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
  if string.sub(hold.receiver, 1, #sender) ~= sender then notify(q, position, hold, 'gone') end
  apply(effects)
  return 1
end
`;

/**
 * Ends attempts, each with its effects or, where one of them cannot be, not at all.
 *
 *   ARGV      session, channel and message that announce dead letters, then settlements in runs that
 *             have the same outcome: count, queue, outcome, data, short error, delay, count of effects;
 *             of each effect its kind, count of parameters, parameters (a run of one has some);
 *             then of each settlement: position, fence
 *   answer    of each: 1 settled, 0 stale, or { why it is refused, ... }
 */
export const settleScript: RedisScript = endingScript(
  "settle",
  `
sender = ARGV[3]
-- Runs, and which messages of each queue they are about.
local runs, positions = {}, {}
local i = 6
while i <= #ARGV do
  local run = {
    count = tonumber(ARGV[i]), queue = ARGV[i + 1], kind = ARGV[i + 2], data = ARGV[i + 3], short = ARGV[i + 4],
    delay = tonumber(ARGV[i + 5]),
  }
  run.effects, run.first = effectsAt(i + 7, tonumber(ARGV[i + 6]))
  runs[#runs + 1] = run
  local ofQueue = positions[run.queue] or {}
  positions[run.queue] = ofQueue
  i = run.first + 2 * run.count
  for at = run.first, i - 1, 2 do ofQueue[#ofQueue + 1] = ARGV[at] end
end
for name, ofQueue in pairs(positions) do lookUp(open(name), ofQueue) end
local answer = {}
for _, run in ipairs(runs) do
  local q = open(run.queue)
  for at = run.first, run.first + 2 * run.count - 1, 2 do
    answer[#answer + 1] = settle(run, q, ARGV[at], ARGV[at + 1])
  end
end
for _, q in pairs(queues) do makeRoom(q) end
announce(ARGV[4], ARGV[5])
stored()
return answer
`,
  settling,
);
