import type { RedisScript } from "../../script.ts";
import { offers } from "./offers.ts";
import { repeatableScript } from "./script.ts";

/**
 * Offers messages to a receiver that asks, see offers.ts. What it was offered without asking, and does
 * not know of yet, takes up its room as well.
 *
 *   ARGV      queue, receiver, its generation, room: messages, bytes; how many it was offered so
 *   answer    { "gone" } where the receiver is not known any more, else as offer's
 */
export const takeScript: RedisScript = repeatableScript(
  "take",
  `${offers}
local q = open(ARGV[1])
local receiver, generation = ARGV[2], ARGV[3]
local known = call('HGET', at('receiving', q), receiver)
if not known or string.match(known, '^%d+') ~= generation then return { 'gone' } end
local pushed = tonumber(call('HGET', at('pushed', q), receiver) or '0')
local room = tonumber(ARGV[4]) - (pushed - tonumber(ARGV[6]))
call('HDEL', at('waiting', q), receiver)
if room <= 0 then return { 1, -1, '0' } end
local answer = offer(q, receiver, generation, room, tonumber(ARGV[5]), 8)
wakeAll()
return answer
`,
);
