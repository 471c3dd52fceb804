import type { RedisScript } from "../../script.ts";
import { queueScript } from "./script.ts";

/**
 * Answers a question that the handler of a message has asked.
 *
 *   ARGV      queue, position, number of the question, answer
 *   answer    "accepted", "too-late" or "unknown"
 */
export const answerScript: RedisScript = queueScript(
  "answer",
  `
local q, position, number, data = open(ARGV[3]), ARGV[4], tonumber(ARGV[5]), ARGV[6]
if not q.declared or tonumber(position) < 1 or tonumber(position) >= q.next then return 'unknown' end
local record = recordOf(q, position)
local question = record and record.asked and record.asked[number]
if not question then return find(q, position) and 'unknown' or 'too-late' end
if question.answer then return question.answer == data and 'accepted' or 'too-late' end
question.answer = data
local hold = heldAt(q, position)
if hold and record.phase == 'waiting-input' and openQuestion(record) == 0 then record.phase = 'started' end
keep(q, position, record)
if hold then
  notify(q, position, hold, 'input', data, number)
  -- From now on it takes up room again.
  stir(q, hold.receiver)
end
tellFollowers(q, position, record, hold)
return 'accepted'
`,
);
