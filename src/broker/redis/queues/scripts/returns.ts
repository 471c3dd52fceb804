/** How messages come back from those who had them, or become dead letters when that happens too often. */
export const returns: string = `
-- Positions of what a receiver holds, in order.
local function handsOf(q, receiver)
  local positions, all = {}, call('HGETALL', at('held', q))
  for i = 1, #all, 2 do
    local mentioned = string.find(all[i + 1], ' ' .. receiver .. ' ', 1, true)
    if mentioned and parseHold(all[i + 1]).receiver == receiver then positions[#positions + 1] = all[i] end
  end
  table.sort(positions, function(one, other) return tonumber(one) < tonumber(other) end)
  return positions
end

-- The attempt is over, and the message can be offered again when its time has come.
local function giveBack(q, position, hold, record, due)
  call('HDEL', at('held', q), position)
  letGo(q, position)
  record.phase, record.progress, record.followed = nil, nil, nil
  endWithdrawals(record, 'too-late')
  record.due = due
  keep(q, position, record)
  if due > time then
    call('ZADD', at('later', q), due, hold.lane .. ':' .. position)
    q.due = math.min(q.due or due, due)
  else
    call('ZADD', front(hold.lane, q), position, position)
    q.ready = q.ready + 1
  end
  tellFollowers(q, position, record, false)
end

-- As if it had not been offered: nobody saw it. Its sender may have wanted it back meanwhile.
local function putBack(q, position, hold)
  local record = recordOf(q, position)
  if record and record.withdrawals and #record.withdrawals > 0 then
    finish(q, position, hold, rescinded, record)
    return
  end
  call('HDEL', at('held', q), position)
  letGo(q, position)
  call('ZADD', front(hold.lane, q), position, position)
  q.ready = q.ready + 1
end

-- Notes that an attempt failed; error is JSON.
local function failed(q, record, hold, error)
  local past = record.past
  past[#past + 1] = {
    error = error, attempt = record.failures + record.crashes + 1, at = time,
    consumer = consumerOf(q, hold.receiver),
  }
  while #past > 20 do table.remove(past, 1) end
  if record.first == 0 then record.first = time end
  record.last = time
end

-- Makes the message a dead letter.
local buried
local function bury(q, position, hold, record, error)
  local found = call('XRANGE', lane(hold.lane, q), id(position), id(position))
  local entry = entryOf(found[1] and found[1][2] or {})
  local number = text(call('HINCRBY', base .. 'count', 'dead', 1))
  local past = {}
  for i, each in ipairs(record.past) do
    past[i] = '{"error":' .. each.error .. ',"attempt":' .. each.attempt .. ',"atMs":' .. text(each.at) ..
      ',"consumer":' .. cjson.encode(each.consumer) .. '}'
  end
  call('XADD', base .. 'dead', id(number), 'frame', entry.frame or '', 'queue', q.name,
    'position', position, 'lane', hold.lane, 'key', entry.key and '=' .. entry.key or '',
    'error', error, 'failures', record.failures, 'pickups', record.pickups, 'crashes', record.crashes,
    'first', text(record.first), 'last', text(record.last), 'history', '[' .. table.concat(past, ',') .. ']')
  buried = buried + 1
  finish(q, position, hold, 'X' .. error, record)
end

local function unreachable(message)
  return cjson.encode({ code = 'AGENT_UNREACHABLE', message = message, retryable = false })
end

local pickupsMax, crashesMax = 20, 3

-- Back to the queue, unless that happened too often.
local function comeBack(q, position, hold, record)
  if record.crashes >= crashesMax then
    bury(q, position, hold, record, unreachable(record.crashes .. ' receivers vanished while they held it'))
  elseif record.pickups >= pickupsMax then
    bury(q, position, hold, record, unreachable('offered ' .. record.pickups .. ' times, and no handler started'))
  else
    giveBack(q, position, hold, record, 0)
  end
end

-- Nobody started it, says who had it: it goes back at once, unless its sender wants it back.
local function notStarted(q, position, hold, record)
  if record.withdrawals and #record.withdrawals > 0 then
    finish(q, position, hold, rescinded, record)
    return
  end
  record.pickups = record.pickups + 1
  comeBack(q, position, hold, record)
end

-- Its receiver has ended, and nobody knows whether a handler has started.
local function abandon(q, position, hold, crashed)
  local record = recordOf(q, position) or freshRecord()
  record.fence = hold.fence
  if hold.once then
    finish(q, position, hold, lostOnce, record)
  elseif record.phase == 'waiting-input' then
    -- Whoever waits for a person may be gone many times meanwhile: it says nothing about the message.
    record.lapsed = crashed or nil
    comeBack(q, position, hold, record)
  elseif crashed then
    record.lapsed, record.blamed = true, true
    local who = consumerOf(q, hold.receiver)
    failed(q, record, hold, cjson.encode({
      code = 'AGENT_UNREACHABLE', retryable = true,
      message = (who == '' and 'its receiver' or who) .. ' vanished while it held it',
    }))
    record.crashes = record.crashes + 1
    comeBack(q, position, hold, record)
  else
    notStarted(q, position, hold, record)
  end
end

-- What was cancelled in a receiver's hands is in no handler's any more, but for the positions in spared.
local function endLingeringOf(q, receiver, spared)
  local all = call('HGETALL', at('linger', q))
  for i = 1, #all, 2 do
    local position, hold = all[i], parseHold(all[i + 1])
    if hold.receiver == receiver and not spared[position] then
      call('HDEL', at('linger', q), position)
      if hold.key then release(q, hold.lane, hold.key, position) end
    end
  end
end

-- The line of topic and frame that says that dead letters have come, once for each call.
local function announce(channel, message)
  if buried > 0 and channel ~= '' then call('PUBLISH', channel, message) end
end
`;
