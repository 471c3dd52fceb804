/**
 * What scripts tell sessions, on their channels: a line of JSON, then bytes. A publication that is lost
 * with its connection is made up for when the session comes back (hold.ts, track.ts).
 */
export const notices: string = `
-- @returns whether somebody is there to hear it.
local function tell(session, head, data)
  return call('PUBLISH', base .. 'n:' .. session, cjson.encode(head) .. '\\n' .. (data or '')) > 0
end

-- Receivers are called SESSION.NUMBER.
local function sessionOf(receiver) return string.match(receiver, '^[^.]+') end

-- Who has room and found nothing looks again: as many receivers as there are messages.
local function wake(q, messages)
  while messages > 0 do
    local receiver = call('SPOP', at('waiting', q))
    if not receiver then return end
    if tell(sessionOf(receiver), { t = 'wake', r = receiver }) then messages = messages - 1 end
  end
end

local function wakeAll()
  for _, q in pairs(queues) do
    if q.ready > 0 then wake(q, q.ready) end
    if q.due then
      -- Everybody who waits: whoever has room then takes it.
      for _, receiver in ipairs(call('SMEMBERS', at('waiting', q))) do
        tell(sessionOf(receiver), { t = 'due', r = receiver, ms = math.max(0, q.due - time) })
      end
    end
  end
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

local function eachSession(sessions, what)
  for session in string.gmatch(sessions or '', '%S+') do what(session) end
end

-- Adds a session to the field of a hash of them.
local function join(key, position, session)
  local there = call('HGET', key, position) or ''
  if string.find(' ' .. there .. ' ', ' ' .. session .. ' ', 1, true) then return end
  call('HSET', key, position, there == '' and session or there .. ' ' .. session)
end

-- Those who wait for the end of a message, and those who follow it, are told once.
local function tellEnd(q, position, state)
  local told = {}
  for _, part in ipairs({ 'track', 'follow' }) do
    local sessions = call('HGET', at(part, q), position)
    if sessions then
      call('HDEL', at(part, q), position)
      eachSession(sessions, function(session)
        if told[session] then return end
        told[session] = true
        tell(session, { t = 'end', q = q.name, p = position }, state)
      end)
    end
  end
end
`;
