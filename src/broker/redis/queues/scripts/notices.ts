/**
 * What scripts tell sessions, on their channels: a line of JSON, then bytes. A publication that is lost
 * with its connection is made up for when the session comes back (hold.ts, track.ts).
 */
export const notices: string = `
local function channelOf(session) return base .. 'n:' .. session end

-- @returns whether somebody is there to hear it.
local function tell(session, head, data)
  return call('PUBLISH', channelOf(session), cjson.encode(head) .. '\\n' .. (data or '')) > 0
end

-- Receivers are called SESSION.NUMBER.
local function sessionOf(receiver) return string.match(receiver, '^[^.]+') end

-- How much room it has only the receiver knows now: it asks.
local function stir(q, receiver)
  call('HDEL', at('waiting', q), receiver)
  tell(sessionOf(receiver), { t = 'wake', r = receiver })
end

-- See offers.ts.
local pushTo

-- Who has found nothing more gets something, or looks again: as many receivers as it takes. One that is
-- full looks when it has room; it is somebody else's turn.
local function wake(q, messages)
  while messages > 0 do
    local waiting = call('HRANDFIELD', at('waiting', q), 1, 'WITHVALUES')
    local receiver = waiting[1]
    if not receiver then return end
    local isFull = string.sub(waiting[2], -2) == ' 0'
    if not isFull then
      local pushed = pushTo(q, receiver, waiting[2])
      if pushed == 0 then return end
      messages = messages - (pushed or 0)
    else
      stir(q, receiver)
    end
  end
end

-- Those that are done without a result, by session and queue.
local dones
local function tellDones()
  for session, ofSession in pairs(dones) do
    for name, positions in pairs(ofSession) do tell(session, { t = 'done', q = name, p = positions }) end
  end
end

-- Messages that became final in this call, of one lane: they are taken away together.
local function endedIn(q, l)
  q.lists = q.lists or {}
  local list = q.lists[l] or {}
  q.lists[l] = list
  return list
end
local function takeAway()
  for _, q in pairs(queues) do
    for l, positions in pairs(q.lists or {}) do
      for from = 1, #positions, 512 do
        local last = math.min(#positions, from + 511)
        local ids = {}
        for i = from, last do ids[#ids + 1] = id(positions[i]) end
        call('XDEL', lane(l, q), unpack(ids))
        call('HDEL', at('held', q), unpack(positions, from, last))
      end
    end
    q.lists = nil
  end
end

-- At the end of every script that moves messages.
local function wakeAll()
  takeAway()
  for _, q in pairs(queues) do
    -- What is offered may expire, and so set free what waits behind it.
    for _ = 1, 3 do
      local ready = q.ready
      q.ready = 0
      if ready > 0 then wake(q, ready) end
    end
    if q.due then
      -- Everybody who waits: whoever has room then takes it.
      for _, receiver in ipairs(call('HKEYS', at('waiting', q))) do
        tell(sessionOf(receiver), { t = 'due', r = receiver, ms = math.max(0, q.due - time) })
      end
    end
  end
  takeAway()
  tellDones()
end

-- A receiver is told about what it holds. @returns whether it hears notices.
local function notify(q, position, hold, kind, data, number)
  local receiving = call('HGET', at('receiving', q), hold.receiver)
  if not receiving then return false end
  if string.match(receiving, '^%d+ (%d)') ~= '1' and kind ~= 'gone' then return false end
  local head = { t = kind, q = q.name, p = position, f = hold.fence, r = hold.receiver, n = number }
  tell(sessionOf(hold.receiver), head, data)
  return true
end

local function consumerOf(q, receiver)
  local receiving = call('HGET', at('receiving', q), receiver)
  return receiving and string.match(receiving, '^%d+ %d (.*)$') or ''
end

-- Whether the queue has any such thing: most have none of them.
local function watched(part, q)
  if q.plain == nil then q.plain = call('EXISTS', at('record', q), at('track', q), at('follow', q)) == 0 end
  if q[part] == nil then q[part] = not q.plain and call('EXISTS', at(part, q)) == 1 end
  return q[part]
end

local function eachSession(sessions, what)
  for session in string.gmatch(sessions or '', '%S+') do what(session) end
end

-- Adds a session to those that wait for, or follow, a message.
local function join(q, part, position, session)
  local key = at(part, q)
  q[part] = true
  local there = call('HGET', key, position) or ''
  if string.find(' ' .. there .. ' ', ' ' .. session .. ' ', 1, true) then return end
  call('HSET', key, position, there == '' and session or there .. ' ' .. session)
end

-- Who sent a message, who waits for its end and who follows it are told, once each; those that are
-- done without a result all together, at the end of the script.
local lookers = { 'track', 'follow' }
local function tellEndTo(session, q, position, state)
  if state ~= 'D' then
    tell(session, { t = 'end', q = q.name, p = position }, state)
    return
  end
  local ofSession = dones[session] or {}
  dones[session] = ofSession
  local positions = ofSession[q.name] or {}
  ofSession[q.name] = positions
  positions[#positions + 1] = position
end
local function tellEnd(q, position, state, from)
  if from == '-' then from = nil end
  if from then tellEndTo(from, q, position, state) end
  local told
  for _, part in ipairs(lookers) do
    local sessions = watched(part, q) and call('HGET', at(part, q), position)
    if sessions then
      told = told or { [from or ''] = true }
      call('HDEL', at(part, q), position)
      eachSession(sessions, function(session)
        if told[session] then return end
        told[session] = true
        tellEndTo(session, q, position, state)
      end)
    end
  end
end
`;
