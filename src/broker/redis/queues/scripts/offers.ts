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
-- Offers up to room messages, and as many bytes, a few at first, to learn how large they are. Where
-- there is no more, the receiver is registered as waiting, with the room that it has left.
--   @returns { offers = { { position, frame, record, ... } * }, fence = that of the first,
--              more = 1 if it is not registered, due = ms until something is due or -1 }
local function offer(q, receiver, generation, room, bytesMax, chunk)
  local scanned, scansMax = 0, 2048
  local offers, bytes = {}, 0
  local moved = {}
  local observed = watched('follow', q)

  local function firstDue()
    return tonumber(call('ZRANGE', at('later', q), 0, 0, 'WITHSCORES')[2])
  end

  -- What has become due goes to the front; what the stream has not come to yet has its place there.
  local function ripen()
    for _, name in ipairs(call('ZRANGEBYSCORE', at('later', q), '-inf', time, 'LIMIT', 0, 512)) do
      call('ZREM', at('later', q), name)
      local l, position = string.match(name, '^(%d):(%d+)$')
      if tonumber(position) <= q.cursors[l] then call('ZADD', front(l, q), position, position) end
    end
  end

  -- Offers the message, or finds out why not.
  local function consider(l, m, isBack)
    local position = m.position
    scanned = scanned + 1
    if m.expires and tonumber(m.expires) <= time then
      finish(q, position, { lane = l, key = m.key, from = m.from }, expired, recordOf(q, position))
      return
    end
    if m.notBefore and not isBack then
      if tonumber(m.notBefore) > time then return end
      call('ZREM', at('later', q), l .. ':' .. position)
    end
    if m.key and call('HSETNX', at('heads', q), l .. ':' .. m.key, position) == 0
      and call('HGET', at('heads', q), l .. ':' .. m.key) ~= position then
      call('ZADD', at('parked', q), 0, parkedName(l, m.key, position))
      return
    end
    bytes = bytes + #m.frame
    if isBack then m.record = recordOf(q, position) end
    offers[#offers + 1] = m
  end

  local function considerEntry(l, entry, isBack)
    local m = entryOf(entry[2])
    m.position = string.sub(entry[1], 1, -3)
    m.lane, m.once = l, m.guarantee == 'at-most-once'
    consider(l, m, isBack)
    return m.position
  end

  -- Up to count messages behind the cursor. What this script has stored need not be read.
  local function advance(l, count)
    local cursor, fresh = q.cursors[l], q.fresh[l]
    moved[l] = true
    if fresh and cursor >= fresh.behind then
      while fresh[fresh.first] and tonumber(fresh[fresh.first].position) <= cursor do fresh.first = fresh.first + 1 end
      local last = math.min(#fresh, fresh.first + count - 1)
      for i = fresh.first, last do consider(l, fresh[i], false) end
      q.cursors[l], fresh.first = tonumber(fresh[last].position), last + 1
    else
      local entries = call('XRANGE', lane(l, q), '(' .. id(text(cursor)), '+', 'COUNT', count)
      local position
      for _, entry in ipairs(entries) do position = considerEntry(l, entry, false) end
      q.cursors[l] = #entries == count and tonumber(position) or q.tails[l]
    end
  end

  -- Takes up to count messages of a lane. @returns whether there may be more in it: also what an expired
  -- one has held up.
  local function serve(l, count)
    local ready = q.ready
    local backs = call('ZRANGE', front(l, q), 0, count - 1)
    for _, position in ipairs(backs) do
      call('ZREM', front(l, q), position)
      local found = call('XRANGE', lane(l, q), id(position), id(position))
      if found[1] then considerEntry(l, found[1], true) end
    end
    count = count - #backs
    if count <= 0 then return true end
    if q.cursors[l] < q.tails[l] then advance(l, count) end
    return q.cursors[l] < q.tails[l] or q.ready > ready
  end

  -- How many of the next messages are each lane's.
  local turns = { '0', '1', '0', '2', '0', '1', '0', '3', '0', '1', '0', '2', '0', '1', '0' }
  local turned = false
  local function shares(open, count)
    local share = {}
    turned = true
    while count > 0 do
      q.turn = q.turn % #turns + 1
      local l = turns[q.turn]
      if open[l] then
        share[l] = (share[l] or 0) + 1
        count = count - 1
      end
    end
    return share
  end

  local due = firstDue()
  if due and due <= time then
    ripen()
    due = firstDue()
  end
  local open, inUse = {}, 0
  for l in string.gmatch(q.lanes, '%d') do
    open[l] = true
    inUse = inUse + 1
  end
  while #offers < room and bytes < bytesMax and scanned < scansMax and next(open) do
    local count = math.min(chunk, room - #offers)
    if inUse == 1 then
      local l = next(open)
      if not serve(l, count) then open[l] = nil end
    else
      local share = shares(open, count)
      for _, l in ipairs(lanes) do
        if share[l] and not serve(l, share[l]) then open[l] = nil end
      end
    end
    local average = math.max(64, bytes / math.max(1, #offers))
    chunk = math.max(1, math.min(1024, math.floor((bytesMax - bytes) / average)))
  end
  local info = turned and { 'turn', q.turn } or {}
  for l in pairs(moved) do
    info[#info + 1] = 'cursor' .. l
    info[#info + 1] = text(q.cursors[l])
  end
  saveInfo(q, info)

  -- A message that was offered before, or is followed, has something to tell.
  local function brief(each)
    local record = each.record
    if record and record.lapsed then
      record.lapsed, record.blamed = nil, nil
      keep(q, each.position, record)
    end
    for number, question in ipairs(record and record.asked or {}) do
      if question.answer then notify(q, each.position, each, 'input', question.answer, number) end
    end
    if observed and call('HEXISTS', at('follow', q), each.position) == 1 then
      record = record or freshRecord()
      record.followed = true
      keep(q, each.position, record)
      notify(q, each.position, each, 'follow')
      tellFollowers(q, each.position, record, true)
    end
  end

  local fence = #offers > 0 and call('HINCRBY', base .. 'count', 'fence', #offers) - #offers + 1 or 0
  local holds = {}
  for i, each in ipairs(offers) do
    each.fence, each.receiver = text(fence + i - 1), receiver
    holds[#holds + 1] = each.position
    holds[#holds + 1] = holdText(each)
    if #holds >= 2000 or i == #offers then
      call('HSET', at('held', q), unpack(holds))
      holds = {}
    end
  end
  q.holds = {}
  for _, each in ipairs(offers) do
    if observed or each.record then brief(each) end
  end

  local more = next(open) and 1 or 0
  if more == 1 then
    call('HDEL', at('waiting', q), receiver)
    -- What it leaves is for whoever else has room.
    if #offers >= room or bytes >= bytesMax then q.ready = q.ready + 1 end
  else
    call('HSET', at('waiting', q), receiver, generation .. ' ' .. (room - #offers))
  end
  local dueMs = due and math.floor(math.max(0, math.min(${waitMsMax}, due - time))) or -1
  return { offers = offers, fence = text(fence), more = more, due = dueMs }
end

-- Offers to a receiver that waits, and tells it. @returns how many messages it was; nothing where
-- nobody is there to hear of them.
pushTo = function(q, receiver, registered)
  local session = sessionOf(receiver)
  local channel = channelOf(session)
  if call('PUBSUB', 'NUMSUB', channel)[2] == 0 then
    call('HDEL', at('waiting', q), receiver)
    return nil
  end
  local generation, room = string.match(registered, '^(%d+) (%d+)$')
  local taken = offer(q, receiver, generation, tonumber(room), ${pushBytesMax}, 1)
  local count = #taken.offers
  if count == 0 then
    if taken.more == 1 then tell(session, { t = 'wake', r = receiver }) end
    return 0
  end
  call('HINCRBY', at('pushed', q), receiver, count)
  local positions, lengths, attempts, parts = {}, {}, {}, {}
  for i, each in ipairs(taken.offers) do
    positions[i], lengths[i], parts[i + 1] = each.position, #each.frame, each.frame
    local record = each.record
    if record then attempts[each.position] = { record.failures, record.pickups, record.crashes } end
  end
  parts[1] = cjson.encode({
    t = 'offer', r = receiver, g = generation, more = taken.more, due = taken.due, f = taken.fence,
    p = positions, b = lengths, a = attempts,
  }) .. '\\n'
  call('PUBLISH', channel, table.concat(parts))
  return count
end
`;
