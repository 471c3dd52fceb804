/**
 * Taking a message in: recognised when it is repeated, given a position, laid in its lane. For sends,
 * for what settlements send, and for dead letters that are put back.
 */
export const intake: string = `
local dayMs, hourMs = 86400000, 3600000
-- What is known of senders, by their lives.
local lives

local function lifeOf(life)
  local memory = lives[life]
  if memory then return memory end
  memory = { key = base .. 'sender:' .. life }
  local known = call('HMGET', memory.key, 'from', 'top', 'renewed')
  memory.from = tonumber(known[1] or '0')
  memory.top = tonumber(known[2] or '0')
  memory.renewed = tonumber(known[3] or '0')
  memory.before, memory.new, memory.fields = memory.from, {}, {}
  lives[life] = memory
  return memory
end

-- Who stores: told how its messages end, as long as it is there.
local sender

local function given(text)
  if text ~= '' then return text end
end

-- What an entry says of a message only where it is not as usual: names and values.
local optional = { 'key', 'notBefore', 'expires' }
local function restOf(m)
  local rest = m.guarantee ~= 'at-least-once' and { 'guarantee', m.guarantee } or {}
  for _, name in ipairs(optional) do
    if m[name] then
      rest[#rest + 1] = name
      rest[#rest + 1] = m[name]
    end
  end
  return rest
end

-- Messages come in runs of the same routing. All are texts; '' stands for what is not there.
--   count, lane, guarantee, key, notBefore, expires, life, repeatsFrom,
--   then of each: frame, id, and where there is a life, sequence
-- @returns a table for each, which has the routing by its metatable; where the next run begins.
local function messagesAt(i)
  local life = given(ARGV[i + 6])
  local routing = {
    lane = ARGV[i + 1], guarantee = ARGV[i + 2], once = ARGV[i + 2] == 'at-most-once', key = given(ARGV[i + 3]),
    notBefore = given(ARGV[i + 4]), expires = given(ARGV[i + 5]), life = life, repeatsFrom = ARGV[i + 7],
  }
  routing.rest = restOf(routing)
  local run = { __index = routing }
  local messages, each = {}, life and 3 or 2
  local first = i + 8
  local next = first + tonumber(ARGV[i]) * each
  for at = first, next - 1, each do
    messages[#messages + 1] = setmetatable({
      frame = ARGV[at], id = ARGV[at + 1], sequence = life and ARGV[at + 2], position = '', from = '', fence = '', receiver = '',
    }, run)
  end
  return messages, next
end

local function onceKey(q, m) return base .. 'ids:' .. #m.id .. ':' .. m.id .. ':' .. q.name end

-- The position under which it was stored before.
local function storedBefore(q, m)
  if m.life then
    local memory = lifeOf(m.life)
    local position = memory.new[m.sequence]
    -- What is above the highest sequence so far is new.
    if not position and tonumber(m.sequence) <= memory.top then position = call('HGET', memory.key, m.sequence) end
    if position then return position end
  end
  local position = q.declared and m.guarantee == 'exactly-once' and call('GET', onceKey(q, m))
  -- What went with a mailbox of this name that was removed is not there.
  return position and tonumber(position) > q.forgotten and position
end

-- Why it cannot be stored.
local function obstacleTo(q, m)
  if not q.declared then return 'undeclared' end
  if not m.life then return nil end
  local from = math.max(tonumber(m.repeatsFrom), lifeOf(m.life).from)
  if tonumber(m.sequence) < from then return 'origin' end
end

local function store(q, m)
  local position = text(q.next)
  q.next = q.next + 1
  m.position, m.from = position, sender or '-'
  call('XADD', lane(m.lane, q), id(position), 'frame', m.frame, 'id', m.id, 'from', m.from, unpack(m.rest))
  append(q, m.lane, m)
  local due = tonumber(m.notBefore or '0')
  if due > time then
    call('ZADD', at('later', q), due, m.lane .. ':' .. position)
    q.due = math.min(q.due or due, due)
  else
    q.ready = q.ready + 1
  end
  if m.guarantee == 'exactly-once' then call('SET', onceKey(q, m), position, 'PX', dayMs) end
  if m.life then
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
  for _, memory in pairs(lives) do
    if memory.used then
      local fields = memory.fields
      local function put(field, number)
        fields[#fields + 1] = field
        fields[#fields + 1] = text(number)
      end
      put('from', memory.from)
      put('top', memory.highest)
      local isOld = time - memory.renewed > hourMs
      if isOld then put('renewed', time) end
      for from = 1, #fields, 1024 do
        call('HSET', memory.key, unpack(fields, from, math.min(#fields, from + 1023)))
      end
      if memory.from > memory.before then trim(memory) end
      if isOld then call('PEXPIRE', memory.key, dayMs + hourMs) end
    end
  end
  wakeAll()
  for _, q in pairs(queues) do saveInfo(q, {}) end
end
`;
