/** What people do with dead letters. */
import type { RedisScript } from "../../script.ts";
import { endingScript, queueScript } from "./script.ts";

/** ARGV: numbers. Each becomes a new message where its queue is still there. The answer: how many. */
export const replayScript: RedisScript = queueScript(
  "replay",
  `
local count = 0
for i = 3, #ARGV do
  local found = call('XRANGE', base .. 'dead', id(ARGV[i]), id(ARGV[i]))
  local letter = found[1] and entryOf(found[1][2])
  local q = letter and open(letter.queue)
  if q and q.declared then
    local m = { frame = letter.frame, lane = letter.lane, guarantee = 'at-least-once', id = '' }
    if letter.key ~= '' then m.key = string.sub(letter.key, 2) end
    m.rest = restOf(m)
    store(q, m)
    call('XDEL', base .. 'dead', id(ARGV[i]))
    count = count + 1
  end
end
stored()
return count
`,
);

/** ARGV: numbers. The answer: how many there were. */
export const purgeScript: RedisScript = endingScript(
  "purge",
  `
local count = 0
for i = 3, #ARGV do count = count + call('XDEL', base .. 'dead', id(ARGV[i])) end
return count
`,
);
