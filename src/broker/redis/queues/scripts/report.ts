import type { RedisScript } from "../../script.ts";
import { queueScript } from "./script.ts";

/** Questions of one message. */
const questionsMax = 1_000;

/**
 * What the holders of messages tell about them.
 *
 *   ARGV      of each report: queue, position, fence, kind, number, data
 *   answer    of each: "taken", "stale", or "number" and the one that is expected
 */
export const reportScript: RedisScript = queueScript(
  "report",
  `
local function ask(q, position, hold, record, number, question)
  local asked = record.asked or {}
  local there = asked[number]
  if there and there.answer then
    notify(q, position, hold, 'input', there.answer, number)
    return 'taken'
  end
  if not there then
    if number ~= #asked + 1 or number > ${questionsMax} then return 'number ' .. (#asked + 1) end
    asked[number] = { question = question }
    record.asked = asked
  end
  endWithdrawals(record, 'too-late')
  record.phase = 'waiting-input'
  return 'taken'
end

local function report(i)
  local q, position, fence, kind = open(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local hold = heldAt(q, position)
  if not hold or hold.fence ~= fence then return 'stale' end
  local record = recordOf(q, position) or freshRecord()
  if kind == 'waiting-input' then
    local answer = ask(q, position, hold, record, tonumber(ARGV[i + 4]), ARGV[i + 5])
    if answer ~= 'taken' then return answer end
  else
    if kind == 'progress' then record.progress = ARGV[i + 5] end
    if kind ~= 'unstarted' then
      record.phase = 'started'
      endWithdrawals(record, 'too-late')
    end
  end
  keep(q, position, record)
  tellFollowers(q, position, record, true)
  return 'taken'
end

local answer = {}
for i = 3, #ARGV, 6 do answer[#answer + 1] = report(i) end
return answer
`,
);
