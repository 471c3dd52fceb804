/**
 * The store as scripts see it. Everything is found by the key of an entry:
 *
 *   {p}:s:n           the last revision that was given
 *   {p}:s:v           hash: value             {p}:s:r   hash: revision
 *   {p}:s:k           sorted set, all of score 0, so that keys lie in the order of their bytes
 *   {p}:s:x           sorted set: when the entry ends, ms by the server's clock; an entry whose time has
 *                     come is gone, whether or not anybody has cleared it away
 *   {p}:s:m           set: entries that are gone when the server starts again
 *   {p}:s:o           hash: the session an entry is bound to       {p}:s:b:SESSION   set: its entries
 *   {p}:w:KEY         channel on which a change of the entry is told:
 *
 *   change = kind revision leftMs value     kind u8, 1 put, 0 delete; the numbers f64, big-endian;
 *                                           leftMs until it ends, -1 for never
 */

import { onceScript, type RedisScript, readScript, repeatableScript } from "./script.ts";

/** What scripts may call. */
export const storePart: string = `local function storeTell(kind, key, revision, left, value)
  call('PUBLISH', root .. 'w:' .. key, struct.pack('>Bdd', kind, revision, left) .. value)
end
-- 0 where there is no entry.
local function storeRevision(key)
  local ends = call('ZSCORE', root .. 's:x', key)
  if ends and tonumber(ends) <= time then return 0 end
  return tonumber(call('HGET', root .. 's:r', key) or 0)
end
local function storeUnbind(key)
  local owner = call('HGET', root .. 's:o', key)
  if not owner then return end
  call('HDEL', root .. 's:o', key)
  call('SREM', root .. 's:b:' .. owner, key)
end
local function storeDelete(key)
  local was = call('HDEL', root .. 's:r', key)
  local revision = call('INCR', root .. 's:n')
  if was == 0 then return revision end
  call('HDEL', root .. 's:v', key)
  call('ZREM', root .. 's:k', key)
  call('ZREM', root .. 's:x', key)
  call('SREM', root .. 's:m', key)
  storeUnbind(key)
  storeTell(0, key, revision, -1, '')
  return revision
end
-- One write. mode: 'd' deletes; 'p' puts, 'v' a volatile entry, 'b' one bound to the session.
-- ttl: in ms, or '' for ever.
local function storeWrite(key, mode, value, ttl, session)
  if mode == 'd' then return storeDelete(key) end
  local revision = call('INCR', root .. 's:n')
  call('HSET', root .. 's:v', key, value)
  call('HSET', root .. 's:r', key, revision)
  call('ZADD', root .. 's:k', 0, key)
  local left = -1
  if ttl == '' then
    call('ZREM', root .. 's:x', key)
  else
    left = math.ceil(tonumber(ttl))
    call('ZADD', root .. 's:x', text(time + left), key)
  end
  storeUnbind(key)
  if mode == 'p' then
    call('SREM', root .. 's:m', key)
  else
    call('SADD', root .. 's:m', key)
  end
  if mode == 'b' then
    call('HSET', root .. 's:o', key, session)
    call('SADD', root .. 's:b:' .. session, key)
  end
  storeTell(1, key, revision, left, value)
  return revision
end
-- A write takes five of list: key, mode, value, the revision that it asks for or '', ttl.
-- Looks at count of them from first on. Nothing when all may be made, else key and revision of the first that may not.
-- seen: what writes of the same transaction would leave behind; the last revision under 0. Empty to begin with.
local function storeConflict(list, first, count, seen)
  seen[0] = seen[0] or tonumber(call('GET', root .. 's:n') or 0)
  for index = first, first + 5 * count - 1, 5 do
    local key, wanted = list[index], list[index + 3]
    local revision = seen['k' .. key] or storeRevision(key)
    if wanted ~= '' and tonumber(wanted) ~= revision then return key, revision end
    seen[0] = seen[0] + 1
    seen['k' .. key] = list[index + 1] == 'd' and 0 or seen[0]
  end
end
-- Makes them. @returns their revisions.
local function storeWriteAll(list, first, count, session)
  local revisions = {}
  for index = first, first + 5 * count - 1, 5 do
    revisions[#revisions + 1] = storeWrite(list[index], list[index + 1], list[index + 2], list[index + 4], session)
  end
  return revisions
end`;

/** KEYS[2]: one of the store's. ARGV from 3: session, writes. */
export const putScript: RedisScript = onceScript(
  "put",
  `local count = (#ARGV - 3) / 5
local key, revision = storeConflict(ARGV, 4, count, {})
if key then return {'conflict', key, revision} end
return {'stored', storeWriteAll(ARGV, 4, count, ARGV[3])}`,
);

/** ARGV: keys. For each a value and a revision, or two times nothing. */
export const getScript: RedisScript = readScript(
  "get",
  `local found = {}
for _, key in ipairs(ARGV) do
  local revision = storeRevision(key)
  found[#found + 1] = revision > 0 and call('HGET', root .. 's:v', key)
  found[#found + 1] = revision
end
return found`,
);

/**
 * ARGV: where to begin in the order of keys, where to end, entries and bytes at a time. The key to go
 * on behind, or nothing; then key, value, revision, and ms until it ends or -1, of each entry.
 */
export const listScript: RedisScript = readScript(
  "list",
  `local countMax, bytesMax = tonumber(ARGV[3]), tonumber(ARGV[4])
local bytes, found = 0, {''}
local keys = call('ZRANGEBYLEX', root .. 's:k', ARGV[1], ARGV[2], 'LIMIT', 0, countMax)
for index, key in ipairs(keys) do
  local revision = storeRevision(key)
  if revision > 0 then
    local value = call('HGET', root .. 's:v', key)
    local ends = call('ZSCORE', root .. 's:x', key)
    found[#found + 1] = key
    found[#found + 1] = value
    found[#found + 1] = revision
    found[#found + 1] = ends and tonumber(ends) - time or -1
    bytes = bytes + #value
  end
  if bytes >= bytesMax or index == countMax then
    found[1] = key
    break
  end
end
return found`,
);

/** Clears away what has ended. How long until more of it has, ms; -1 for never. */
export const sweepScript: RedisScript = repeatableScript(
  "sweep",
  `local ended = call('ZRANGEBYSCORE', root .. 's:x', '-inf', text(time), 'LIMIT', 0, 500)
for _, key in ipairs(ended) do storeDelete(key) end
local next = call('ZRANGE', root .. 's:x', 0, 0, 'WITHSCORES')
return next[2] and math.max(0, tonumber(next[2]) - time) or -1`,
);
