import type { RedisScript } from "../../script.ts";
import { intake } from "./intake.ts";
import { offers } from "./offers.ts";
import { queueScript } from "./script.ts";

/**
 * Stores messages in order.
 *
 *   ARGV      queue, session, then ten of each message, see intake.ts
 *   answer    of each: its position, "=" and its position for a duplicate, or "!" and why not
 */
export const enqueueScript: RedisScript = queueScript(
  "enqueue",
  `${intake}${offers}
local q = open(ARGV[3])
sender = ARGV[4]
local answer = {}
for i = 5, #ARGV, fieldsPerMessage do
  local m = messageAt(i)
  local before = storedBefore(q, m)
  local obstacle = not before and obstacleTo(q, m)
  if before then
    answer[#answer + 1] = '=' .. before
  elseif obstacle then
    answer[#answer + 1] = '!' .. obstacle
  else
    answer[#answer + 1] = store(q, m)
  end
end
stored()
return answer
`,
);
