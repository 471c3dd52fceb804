/**
 * Where things lie on the server, the first part of every script's prelude. All keys begin with
 * `{prefix}:q:` and a part of their own, and end with the name of their queue:
 *
 *   names              set: every declared mailbox
 *   info:QUEUE         hash: next position, lanes in use, cursor of each, turn; there while declared
 *   lane0..3:QUEUE     stream: one entry for each message that is not final, id POSITION-0; its
 *                      consumer group "colloquy" has what is in somebody's hands as pending
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
 *   waiting:QUEUE      hash: receivers that have room and found nothing → GENERATION ROOM
 *   pushed:QUEUE       hash: receiver → how many messages it was offered without having asked
 *   dead               stream of dead letters, id NUMBER-0
 *   ids:ID:QUEUE       string: position of an exactly-once message of that id
 *   sender:LIFE        hash: sequence → position of what a life of a sender may repeat;
 *                      from: the lowest of them, top: the highest that was stored
 *   sessions           zset of sessions by the end of their lease
 *   session:SESSION    hash: receiver → its queue
 *   count              hash: fence, dead, positions; beat: when a session has shown itself last
 *
 * and the channel `{prefix}:q:n:SESSION` brings a session its notices.
 */
export const places: string = `
local base = KEYS[#KEYS] .. ':'
local group = 'colloquy'
local time = now()
local call = redis.call

local function at(part, q) return base .. part .. ':' .. q.name end
local function lane(l, q) return base .. 'lane' .. l .. ':' .. q.name end
local function front(l, q) return base .. 'front' .. l .. ':' .. q.name end
local function id(position) return position .. '-0' end

-- The queue of a name, as far as this script has looked at it. Positions and fences are texts.
local queues = {}
local function open(name)
  local q = queues[name]
  if q then return q end
  q = { name = name, ready = 0, ended = {}, holds = {} }
  local info = call('HMGET', at('info', q), 'next', 'lanes', 'forgotten')
  q.declared = info[1] ~= false
  q.next = tonumber(info[1] or '1')
  q.lanes = info[2] or ''
  q.forgotten = tonumber(info[3] or '0')
  queues[name] = q
  return q
end

-- The lane comes into being with its first message.
local function useLane(q, l)
  if string.find(q.lanes, l, 1, true) then return end
  call('XGROUP', 'CREATE', lane(l, q), group, '0', 'MKSTREAM')
  q.lanes = q.lanes .. l
  call('HSET', at('info', q), 'lanes', q.lanes)
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
