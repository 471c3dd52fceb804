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

/** What scripts may call. They have a local `base` before it: `{prefix}:`. */
export const storeLibrary: string = `local function storeTell(kind, key, revision, left, value)
  redis.call('PUBLISH', base .. 'w:' .. key, struct.pack('>Bdd', kind, revision, left) .. value)
end
-- 0 where there is no entry.
local function storeRevision(key, at)
  local ends = redis.call('ZSCORE', base .. 's:x', key)
  if ends and tonumber(ends) <= at then return 0 end
  return tonumber(redis.call('HGET', base .. 's:r', key) or 0)
end
local function storeUnbind(key)
  local owner = redis.call('HGET', base .. 's:o', key)
  if not owner then return end
  redis.call('HDEL', base .. 's:o', key)
  redis.call('SREM', base .. 's:b:' .. owner, key)
end
local function storeDelete(key)
  -- First what needs no memory, so that a full server lets the rest pass.
  local was = redis.call('HDEL', base .. 's:r', key)
  local revision = redis.call('INCR', base .. 's:n')
  if was == 0 then return revision end
  redis.call('HDEL', base .. 's:v', key)
  redis.call('ZREM', base .. 's:k', key)
  redis.call('ZREM', base .. 's:x', key)
  redis.call('SREM', base .. 's:m', key)
  storeUnbind(key)
  storeTell(0, key, revision, -1, '')
  return revision
end
-- One write. mode: 'd' deletes; 'p' puts, 'v' a volatile entry, 'b' one bound to the session.
-- ttl: in ms, or '' for ever.
local function storeWrite(key, mode, value, ttl, session, at)
  if mode == 'd' then return storeDelete(key) end
  local revision = redis.call('INCR', base .. 's:n')
  redis.call('HSET', base .. 's:v', key, value)
  redis.call('HSET', base .. 's:r', key, revision)
  redis.call('ZADD', base .. 's:k', 0, key)
  local left = -1
  if ttl == '' then
    redis.call('ZREM', base .. 's:x', key)
  else
    left = math.ceil(tonumber(ttl))
    redis.call('ZADD', base .. 's:x', text(at + left), key)
  end
  storeUnbind(key)
  if mode == 'p' then
    redis.call('SREM', base .. 's:m', key)
  else
    redis.call('SADD', base .. 's:m', key)
  end
  if mode == 'b' then
    redis.call('HSET', base .. 's:o', key, session)
    redis.call('SADD', base .. 's:b:' .. session, key)
  end
  storeTell(1, key, revision, left, value)
  return revision
end
-- A write takes five of list: key, mode, value, the revision that it asks for or '', ttl.
-- Looks at count of them from first on. Nothing when all may be made, else key and revision of the first that may not.
-- seen: what writes of the same transaction would leave behind; the last revision under 0. Empty to begin with.
local function storeConflict(list, first, count, at, seen)
  seen[0] = seen[0] or tonumber(redis.call('GET', base .. 's:n') or 0)
  for index = first, first + 5 * count - 1, 5 do
    local key, wanted = list[index], list[index + 3]
    local revision = seen['k' .. key] or storeRevision(key, at)
    if wanted ~= '' and tonumber(wanted) ~= revision then return key, revision end
    seen[0] = seen[0] + 1
    seen['k' .. key] = list[index + 1] == 'd' and 0 or seen[0]
  end
end
-- Makes them. @returns their revisions.
local function storeWriteAll(list, first, count, session, at)
  local revisions = {}
  for index = first, first + 5 * count - 1, 5 do
    revisions[#revisions + 1] = storeWrite(list[index], list[index + 1], list[index + 2], list[index + 4], session, at)
  end
  return revisions
end`;
