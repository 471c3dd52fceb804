import type { RedisScript } from "../../script.ts";
import { queueScript } from "./script.ts";

/**
 * Stores messages in order.
 *
 *   ARGV      queue, session, then messages, see intake.ts
 *   answer    of each: its position, below 0 for a duplicate, or why it is not stored
 */
export const enqueueScript: RedisScript = queueScript(
  "enqueue",
  `
local q = open(ARGV[3])
sender = ARGV[4]
local answer = {}
local i = 5
while i <= #ARGV do
  local messages, next = messagesAt(i)
  for _, m in ipairs(messages) do
    local before = storedBefore(q, m)
    local obstacle = not before and obstacleTo(q, m)
    answer[#answer + 1] = before and -tonumber(before) or obstacle or tonumber(store(q, m))
  end
  i = next
end
stored()
return answer
`,
);
