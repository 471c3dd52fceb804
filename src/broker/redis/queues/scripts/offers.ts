/**
 * Offering messages to a receiver: lanes in turn, 8:4:2:1; of each first what came back, then what was
 * never offered. What is not due, or parked behind its key, is left; what has expired ends.
 *
 * Whoever stores offers at once to those who wait: what is small goes out with the word of it.
 */

/** Milliseconds are told as far as this, so that timers can wait for them. */
const waitMsMax = 3_600_000;

/** Bytes that are sent to who has not asked, unless a single message has more. */
const pushBytesMax = 65_536;

export const offers: string = `
-- Offers up to room messages, and as many bytes, a few at first, to learn how large they are. A
-- receiver that could have more is registered as waiting.
--   answer    { 1 if it is not registered, ms until something is due or -1, fence of the first,
--               then of each: { position, frame, [failures, pickups, crashes] } }
local function offer(q, receiver, generation, room, bytesMax, chunk)
  local scanned, scansMax = 0, 2048
  local offers, bytes = {}, 0
  local cursors = {}
  local observed = watched('follow', q)

  -- What has become due goes to the front; what the stream has not come to yet has its place there.
  local function ripen()
    for _, name in ipairs(call('ZRANGEBYSCORE', at('later', q), '-inf', time, 'LIMIT', 0, 512)) do
      call('ZREM', at('later', q), name)
      local l, position = string.match(name, '^(%d):(%d+)$')
      local cursor = tonumber(call('HGET', at('info', q), 'cursor' .. l) or '0')
      if tonumber(position) <= cursor then call('ZADD', front(l, q), position, position) end
    end
  end

  -- Offers the message, or finds out why not: it is in the pending list of the receiver already.
  local function consider(l, entryId, fields, isBack)
    scanned = scanned + 1
    local position = string.sub(entryId, 1, -3)
    local frame, key, once, from = fields[2], nil, false, nil
    for i = 3, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      if name == 'key' then
        key = value
      elseif name == 'from' then
        from = value
      elseif name == 'guarantee' then
        once = value == 'at-most-once'
      elseif name == 'expires' and tonumber(value) <= time then
        finish(q, position, { lane = l, key = key, from = from }, expired, recordOf(q, position))
        return
      elseif name == 'notBefore' and not isBack then
        if tonumber(value) > time then
          call('XACK', lane(l, q), group, entryId)
          return
        end
        call('ZREM', at('later', q), l .. ':' .. position)
      end
    end
    if key and call('HSETNX', at('heads', q), l .. ':' .. key, position) == 0
      and call('HGET', at('heads', q), l .. ':' .. key) ~= position then
      call('ZADD', at('parked', q), 0, parkedName(l, key, position))
      call('XACK', lane(l, q), group, entryId)
      return
    end
    bytes = bytes + #frame
    offers[#offers + 1] = { position = position, frame = frame, lane = l, key = key, once = once, from = from, back = isBack }
  end

  -- Takes up to count messages of a lane. @returns whether there may be more in it.
  local function serve(l, count)
    local backs = call('ZRANGE', front(l, q), 0, count - 1)
    for _, position in ipairs(backs) do
      call('ZREM', front(l, q), position)
      local found = call('XCLAIM', lane(l, q), group, receiver, 0, id(position), 'FORCE')
      if found[1] then consider(l, found[1][1], found[1][2], true) end
    end
    count = count - #backs
    if count <= 0 then return true end
    local read = call('XREADGROUP', 'GROUP', group, receiver, 'COUNT', count, 'STREAMS', lane(l, q), '>')
    if not read then return false end
    local entries = read[1][2]
    cursors[l] = entries[#entries][1]
    for _, entry in ipairs(entries) do consider(l, entry[1], entry[2], false) end
    return #entries >= count
  end

  -- How many of the next messages are each lane's.
  local turns = { '0', '1', '0', '2', '0', '1', '0', '3', '0', '1', '0', '2', '0', '1', '0' }
  local turn = tonumber(call('HGET', at('info', q), 'turn') or '0')
  local function shares(open, count)
    local share = {}
    while count > 0 do
      turn = turn % #turns + 1
      local l = turns[turn]
      if open[l] then
        share[l] = (share[l] or 0) + 1
        count = count - 1
      end
    end
    return share
  end

  if q.declared then ripen() end
  local open, lanes = {}, 0
  for l in string.gmatch(q.lanes, '%d') do
    open[l] = true
    lanes = lanes + 1
  end
  while #offers < room and bytes < bytesMax and scanned < scansMax and next(open) do
    local count = math.min(chunk, room - #offers)
    if lanes == 1 then
      local l = next(open)
      if not serve(l, count) then open[l] = nil end
    else
      local share = shares(open, count)
      for _, l in ipairs({ '0', '1', '2', '3' }) do
        if share[l] and not serve(l, share[l]) then open[l] = nil end
      end
    end
    local average = math.max(64, bytes / math.max(1, #offers))
    chunk = math.max(1, math.min(1024, math.floor((bytesMax - bytes) / average)))
  end
  if lanes > 1 then call('HSET', at('info', q), 'turn', turn) end
  for l, cursor in pairs(cursors) do
    call('HSET', at('info', q), 'cursor' .. l, string.sub(cursor, 1, -3))
  end

  local full = #offers >= room or bytes >= bytesMax
  local more = not full and next(open) and 1 or 0
  local answer = { more, -1, '0' }
  if #offers > 0 then
    local fence = call('HINCRBY', base .. 'count', 'fence', #offers) - #offers
    answer[3] = text(fence + 1)
    local holds = {}
    for i, offer in ipairs(offers) do
      local hold = { fence = text(fence + i), lane = offer.lane, receiver = receiver, once = offer.once, from = offer.from, key = offer.key }
      holds[#holds + 1] = offer.position
      holds[#holds + 1] = holdText(hold)
      if #holds >= 2000 then
        call('HSET', at('held', q), unpack(holds))
        holds = {}
      end
      offer.hold = hold
      local told = { offer.position, offer.frame }
      local record = offer.back and recordOf(q, offer.position)
      if record then
        told[3], told[4], told[5] = record.failures, record.pickups, record.crashes
        offer.record = record
      end
      answer[#answer + 1] = told
    end
    if #holds > 0 then call('HSET', at('held', q), unpack(holds)) end
    q.holds = {}
    for _, offer in ipairs(offers) do
      local position, record = offer.position, offer.record
      if record and record.lapsed then
        record.lapsed = nil
        keep(q, position, record)
      end
      for number, question in ipairs(record and record.asked or {}) do
        if question.answer then notify(q, position, offer.hold, 'input', question.answer, number) end
      end
      if observed and call('HEXISTS', at('follow', q), position) == 1 then
        record = record or freshRecord()
        record.followed = true
        keep(q, position, record)
        notify(q, position, offer.hold, 'follow')
        tellFollowers(q, position, record, true)
      end
    end
  end
  local due = call('ZRANGE', at('later', q), 0, 0, 'WITHSCORES')
  if due[2] then answer[2] = math.floor(math.max(0, math.min(${waitMsMax}, tonumber(due[2]) - time))) end
  if full then
    answer[1] = 1
    -- What it leaves is for whoever else has room.
    if next(open) then q.ready = q.ready + 1 end
  elseif more == 0 then
    call('HSET', at('waiting', q), receiver, generation .. ' ' .. (room - #offers))
  end
  return answer
end

-- Offers to a receiver that waits, and tells it. @returns how many messages it was; nothing where
-- nobody is there to hear of them.
pushTo = function(q, receiver, registered)
  local channel = base .. 'n:' .. sessionOf(receiver)
  if call('PUBSUB', 'NUMSUB', channel)[2] == 0 then return nil end
  local generation, room = string.match(registered, '^(%d+) (%d+)$')
  local answer = offer(q, receiver, generation, tonumber(room), ${pushBytesMax}, 1)
  local head = { t = 'offer', r = receiver, g = generation, more = answer[1], due = answer[2], f = answer[3], m = {} }
  local frames = {}
  for i = 4, #answer do
    local each = answer[i]
    frames[#frames + 1] = each[2]
    head.m[i - 3] = { each[1], #each[2], each[3], each[4], each[5] }
  end
  if #frames == 0 then
    if answer[1] == 1 then tell(sessionOf(receiver), { t = 'wake', r = receiver }) end
    return 0
  end
  call('HINCRBY', at('pushed', q), receiver, #frames)
  tell(sessionOf(receiver), head, table.concat(frames))
  return #frames
end
`;
