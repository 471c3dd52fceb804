/** Which queues there are. */
import type { RedisScript } from "../../script.ts";
import { endingScript, lookingScript, queueScript } from "./script.ts";

/** ARGV: names. Those that are there are left as they are. Positions go on above every one that was used before. */
export const declareScript: RedisScript = queueScript(
  "declare",
  `
local used = tonumber(call('HGET', base .. 'count', 'positions') or '0')
for i = 3, #ARGV do
  local q = open(ARGV[i])
  if not q.declared then
    call('SADD', base .. 'names', q.name)
    call('HSET', at('info', q), 'next', text(used + 1), 'forgotten', text(used))
    q.declared = true
  end
end
return 'declared'
`,
);

/**
 * ARGV: names. Everything that waits there goes. Every session is told, and asks what has become of
 * what it has sent, follows or wants back.
 */
export const removeScript: RedisScript = endingScript(
  "remove",
  `
local parts = {
  'info', 'later', 'heads', 'parked', 'held', 'linger', 'record', 'ends', 'endtimes', 'track', 'follow',
}
local used = tonumber(call('HGET', base .. 'count', 'positions') or '0')
for i = 3, #ARGV do
  local q = open(ARGV[i])
  if q.declared then
    used = math.max(used, q.next - 1)
    for _, session in ipairs(call('ZRANGE', base .. 'sessions', 0, -1)) do
      tell(session, { t = 'removed', q = q.name })
    end
    for _, part in ipairs(parts) do call('UNLINK', at(part, q)) end
    for l = 0, 3 do call('UNLINK', lane(l, q), front(l, q)) end
    call('SREM', base .. 'names', q.name)
    q.declared = false
  end
end
call('HSET', base .. 'count', 'positions', text(used))
return 'removed'
`,
);

/** ARGV: names. The answer: of each that is declared { name, waiting, offered, receivers }. */
export const mailboxesScript: RedisScript = lookingScript(
  "mailboxes",
  `
local answer = {}
for _, name in ipairs(ARGV) do
  local q = open(name)
  if q.declared then
    local waiting = 0
    for l in string.gmatch(q.lanes, '%d') do waiting = waiting + call('XLEN', lane(l, q)) end
    answer[#answer + 1] = { name, waiting, call('HLEN', at('held', q)), call('HLEN', at('receiving', q)) }
  end
end
return answer
`,
);
