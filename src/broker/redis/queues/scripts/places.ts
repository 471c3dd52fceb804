/**
 * Where things lie on the server, the first of what their scripts share. All keys begin with
 * `{prefix}:q:` and a part of their own, and end with the name of their queue:
 *
 *   names              set: every declared mailbox
 *   info:QUEUE         hash: next position, lanes in use, turn; of each lane how far it was offered
 *                      (cursor) and its last position (tail); there while declared
 *   lane0..3:QUEUE     stream: one entry for each message that is not final, id POSITION-0
 *   front0..3:QUEUE    zset of positions: came back or became due, offered before the stream
 *   later:QUEUE        zset of LANE:POSITION by time: not to be offered before
 *   heads:QUEUE        hash: LANE:KEY → the one position of that order key that may be offered
 *   parked:QUEUE       zset, by name: LANE:LENGTH:KEY POSITION of those that wait for their head
 *   held:QUEUE         hash: position → who holds it under which fence
 *   linger:QUEUE       hash: position → the same, of what was cancelled in somebody's hands
 *   record:QUEUE       hash: position → what happened to it so far; plain messages have none
 *   ends:QUEUE         hash: position → how it ended, where there is something to tell
 *   endtimes:QUEUE     zset: the same positions by time, to be forgotten
 *   track:QUEUE        hash: position → sessions that wait for its end and have not sent it
 *   follow:QUEUE       hash: position → sessions that are told every change
 *   receiving:QUEUE    hash: receiver, called SESSION.NUMBER → GENERATION HEARS CONSUMER
 *   waiting:QUEUE      hash: receivers that have found nothing more → GENERATION ROOM; settling makes room
 *   pushed:QUEUE       hash: receiver → how many messages it was offered without having asked
 *   dead               stream of dead letters, id NUMBER-0
 *   ids:ID:QUEUE       string: position of an exactly-once message of that id
 *   sender:LIFE        hash: sequence → position of what a life of a sender may repeat;
 *                      from: the lowest of them, top: the highest that was stored, renewed: when it
 *                      was last said how long it is kept
 *   sessions           zset of sessions by the end of their lease
 *   session:SESSION    hash: receiver → its queue
 *   count              hash: fence, dead, positions; beat: when a session has shown itself last
 *
 * and the channel `{prefix}:q:n:SESSION` brings a session its notices.
 */
export const places: string = `
-- Before every key of the queues.
local base

local function at(part, q)
  local key = q.keys[part]
  if not key then
    key = base .. part .. ':' .. q.name
    q.keys[part] = key
  end
  return key
end
local function lane(l, q) return at('lane' .. l, q) end
local function front(l, q) return at('front' .. l, q) end
local function id(position) return position .. '-0' end

-- The queue of a name, as far as this call has looked at it. Positions and fences are texts, but
-- for next, cursors and tails.
local queues
local lanes = { '0', '1', '2', '3' }
local function open(name)
  local q = queues[name]
  if q then return q end
  q = { name = name, keys = {}, ready = 0, ended = {}, holds = {}, cursors = {}, tails = {}, fresh = {}, freed = {} }
  local info = call('HMGET', at('info', q), 'next', 'lanes', 'forgotten', 'turn',
    'cursor0', 'tail0', 'cursor1', 'tail1', 'cursor2', 'tail2', 'cursor3', 'tail3')
  q.declared = info[1] ~= false
  q.next = tonumber(info[1] or '1')
  q.lanes = info[2] or ''
  q.forgotten = tonumber(info[3] or '0')
  q.turn = tonumber(info[4] or '0')
  for i, l in ipairs(lanes) do
    q.cursors[l] = tonumber(info[2 * i + 3] or '0')
    q.tails[l] = tonumber(info[2 * i + 4] or '0')
  end
  queues[name] = q
  return q
end

-- Writes down what has changed: fields, and what was stored.
local function saveInfo(q, fields)
  local function put(field, number)
    fields[#fields + 1] = field
    fields[#fields + 1] = text(number)
  end
  if q.grown then
    put('next', q.next)
    for l in pairs(q.fresh) do put('tail' .. l, q.tails[l]) end
    q.grown = false
  end
  if fields[1] then call('HSET', at('info', q), unpack(fields)) end
end

-- The message is the last of its lane, which comes into being with the first.
local function append(q, l, m)
  if not string.find(q.lanes, l, 1, true) then
    q.lanes = q.lanes .. l
    call('HSET', at('info', q), 'lanes', q.lanes)
  end
  local fresh = q.fresh[l] or { first = 1, behind = q.tails[l] }
  fresh[#fresh + 1] = m
  q.fresh[l] = fresh
  q.tails[l] = tonumber(m.position)
  q.grown = true
end

-- An entry of a lane as a table of its fields.
local function entryOf(fields)
  local entry = {}
  for i = 1, #fields, 2 do entry[fields[i]] = fields[i + 1] end
  return entry
end

-- The message, if it is not final, and its lane.
local function find(q, position)
  if q.ended[position] then return nil end
  for l in string.gmatch(q.lanes, '%d') do
    local found = call('XRANGE', lane(l, q), id(position), id(position))
    if found[1] then return entryOf(found[1][2]), l end
  end
end
`;
