/**
 * The log as scripts see it: a stream of the server's own for each of ours, whose entry of position 7
 * has the id 7-0 and one field, `d`. `redis-cli XRANGE` reads it.
 *
 *   {p}:l:STREAM      the stream      {p}:a:STREAM   channel on which the last position is told
 */

import { onceScript, type RedisScript } from "./script.ts";

/** What scripts may call. */
export const logPart: string = `-- The position that the next entry gets.
local function logNext(stream)
  local key = root .. 'l:' .. stream
  if call('EXISTS', key) == 0 then return 1 end
  local facts = call('XINFO', 'STREAM', key)
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
    call('XADD', root .. 'l:' .. stream, text(begin + index) .. '-0', 'd', list[first + index])
  end
  call('PUBLISH', root .. 'a:' .. stream, text(begin + count - 1))
  return begin
end`;

/** KEYS[2]: the stream's. ARGV from 3: stream, position or nothing, entries. */
export const appendScript: RedisScript = onceScript(
  "append",
  `local stream, at = ARGV[3], ARGV[4]
local next = logNext(stream)
if at ~= '' and tonumber(at) ~= next then return {'conflict', next} end
logAppend(stream, ARGV, 5, #ARGV - 4)
return {'appended', next}`,
);
