/**
 * The log as scripts see it: a stream of the server's own for each of ours, whose entry of position 7
 * has the id 7-0 and one field, `d`. `redis-cli XRANGE` reads it.
 *
 *   {p}:l:STREAM      the stream      {p}:a:STREAM   channel on which the last position is told
 */

/** What scripts may call. They have a local `base` before it: `{prefix}:`. */
export const logLibrary: string = `-- The position that the next entry gets.
local function logNext(stream)
  local key = base .. 'l:' .. stream
  if redis.call('EXISTS', key) == 0 then return 1 end
  local facts = redis.call('XINFO', 'STREAM', key)
  for index = 1, #facts, 2 do
    if facts[index] == 'last-generated-id' then
      return tonumber(string.match(facts[index + 1], '^%d+')) + 1
    end
  end
end
-- Appends count of list from first on. @returns the position of the first entry.
local function logAppend(stream, list, first, count)
  local begin = logNext(stream)
  for index = 0, count - 1 do
    redis.call('XADD', base .. 'l:' .. stream, text(begin + index) .. '-0', 'd', list[first + index])
  end
  redis.call('PUBLISH', base .. 'a:' .. stream, text(begin + count - 1))
  return begin
end`;
