/**
 * Taking a message in: recognised when it is repeated, given a position, laid in its lane. For sends,
 * for what settlements send, and for dead letters that are put back.
 */
export const intake: string = `
local dayMs = 86400000
local lives = {}

local function lifeOf(life)
  local memory = lives[life]
  if memory then return memory end
  memory = { key = base .. 'sender:' .. life }
  local known = call('HMGET', memory.key, 'from', 'top')
  memory.from = tonumber(known[1] or '0')
  memory.top = tonumber(known[2] or '0')
  memory.before, memory.new, memory.fields = memory.from, {}, {}
  lives[life] = memory
  return memory
end

-- Who stores: told how its messages end, as long as it is there.
local sender

-- m = { frame, lane, guarantee, id, key, notBefore, expires, life, sequence, repeatsFrom }, all texts;
-- '' stands for what is not there.
local fieldsPerMessage = 10
local function messageAt(i)
  return {
    frame = ARGV[i], lane = ARGV[i + 1], guarantee = ARGV[i + 2], id = ARGV[i + 3], key = ARGV[i + 4],
    notBefore = ARGV[i + 5], expires = ARGV[i + 6],
    life = ARGV[i + 7], sequence = ARGV[i + 8], repeatsFrom = ARGV[i + 9],
  }
end

local function onceKey(q, m) return base .. 'ids:' .. #m.id .. ':' .. m.id .. ':' .. q.name end

-- The position under which it was stored before.
local function storedBefore(q, m)
  if m.life ~= '' then
    local memory = lifeOf(m.life)
    local position = memory.new[m.sequence]
    -- What is above the highest sequence so far is new.
    if not position and tonumber(m.sequence) <= memory.top then position = call('HGET', memory.key, m.sequence) end
    if position then return position end
  end
  return q.declared and m.guarantee == 'exactly-once' and call('GET', onceKey(q, m))
end

-- Why it cannot be stored.
local function obstacleTo(q, m)
  if not q.declared then return 'undeclared' end
  if m.life == '' then return nil end
  local from = math.max(tonumber(m.repeatsFrom), lifeOf(m.life).from)
  if tonumber(m.sequence) < from then return 'origin' end
end

local function store(q, m)
  local position = text(q.next)
  q.next = q.next + 1
  q.grown = true
  useLane(q, m.lane)
  local from = sender or '-'
  if m.key == '' and m.notBefore == '' and m.expires == '' then
    call('XADD', lane(m.lane, q), id(position), 'frame', m.frame, 'id', m.id, 'guarantee', m.guarantee, 'from', from)
  else
    local fields = { 'frame', m.frame, 'id', m.id, 'guarantee', m.guarantee, 'from', from }
    for _, name in ipairs({ 'key', 'notBefore', 'expires' }) do
      if m[name] ~= '' then
        fields[#fields + 1] = name
        fields[#fields + 1] = m[name]
      end
    end
    call('XADD', lane(m.lane, q), id(position), unpack(fields))
  end
  local due = m.notBefore ~= '' and tonumber(m.notBefore) or 0
  if due > time then
    call('ZADD', at('later', q), due, m.lane .. ':' .. position)
    q.due = math.min(q.due or due, due)
  else
    q.ready = q.ready + 1
  end
  if m.guarantee == 'exactly-once' then call('SET', onceKey(q, m), position, 'PX', dayMs) end
  if m.life ~= '' then
    local memory = lifeOf(m.life)
    memory.new[m.sequence] = position
    memory.fields[#memory.fields + 1] = m.sequence
    memory.fields[#memory.fields + 1] = position
    memory.highest = math.max(memory.highest or memory.top, tonumber(m.sequence))
    memory.from = math.max(memory.from, tonumber(m.repeatsFrom))
    memory.used = true
  end
  return position
end

-- What senders have had acknowledged is dropped: from 'before' up to 'from'.
local function trim(memory)
  local first, last = memory.before, memory.from - 1
  if last - first < 4096 then
    local old = {}
    for sequence = first, last do old[#old + 1] = text(sequence) end
    call('HDEL', memory.key, unpack(old))
  else
    for _, sequence in ipairs(call('HKEYS', memory.key)) do
      local number = tonumber(sequence)
      if number and number <= last then call('HDEL', memory.key, sequence) end
    end
  end
end

-- After everything was stored.
local function stored()
  for _, q in pairs(queues) do
    if q.grown then call('HSET', at('info', q), 'next', text(q.next)) end
  end
  for _, memory in pairs(lives) do
    if memory.used then
      local fields = memory.fields
      for from = 1, #fields, 1024 do
        call('HSET', memory.key, unpack(fields, from, math.min(#fields, from + 1023)))
      end
      call('HSET', memory.key, 'from', text(memory.from), 'top', text(memory.highest))
      if memory.from > memory.before then trim(memory) end
      call('PEXPIRE', memory.key, dayMs)
    end
  end
  wakeAll()
end
`;
