import type { RedisScript } from "../../script.ts";
import { movingScript } from "./script.ts";

/**
 * Offers messages to a receiver that asks, see offers.ts. What it was offered without asking, and does
 * not know of yet, takes up its room as well.
 *
 *   ARGV      queue, receiver, its generation, room: messages, bytes; how many it was offered so
 *   answer    { "gone" } where the receiver is not known any more, else { 1 if it is not registered
 *             as waiting, ms until something is due or -1, fence of the first, then of each:
 *             { position, frame, [failures, pickups, crashes] } }
 */
export const takeScript: RedisScript = movingScript(
  "take",
  `
local q = open(ARGV[1])
local receiver, generation = ARGV[2], ARGV[3]
local known = call('HGET', at('receiving', q), receiver)
if not known or string.match(known, '^%d+') ~= generation then return { 'gone' } end
local pushed = tonumber(call('HGET', at('pushed', q), receiver) or '0')
local room = tonumber(ARGV[4]) - (pushed - tonumber(ARGV[6]))
if room <= 0 then
  call('HDEL', at('waiting', q), receiver)
  return { 1, -1, '0' }
end
local taken = offer(q, receiver, generation, room, tonumber(ARGV[5]), 8)
local answer = { taken.more, taken.due, taken.fence }
for i, each in ipairs(taken.offers) do
  local record = each.record
  answer[i + 3] = { each.position, each.frame }
  if record then
    answer[i + 3] = { each.position, each.frame, record.failures, record.pickups, record.crashes }
  end
end
wakeAll()
return answer
`,
);
