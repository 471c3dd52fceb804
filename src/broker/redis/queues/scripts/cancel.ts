import type { RedisScript } from "../../script.ts";
import { endingScript } from "./script.ts";

/**
 * A sender gives its message up, or wants it back.
 *
 *   ARGV      queue, position, "1" only if no handler has started it, reason as JSON or '', session,
 *             number of the request
 *   answer    what became of it, or "asked": its holder was, and the session will be told
 */
export const cancelScript: RedisScript = endingScript(
  "cancel",
  `
local q, position, ifUnstarted, reason = open(ARGV[3]), ARGV[4], ARGV[5] == '1', ARGV[6]
local number = tonumber(position)

-- Takes it out of wherever it waits.
local function unlist(l, key)
  call('ZREM', front(l, q), position)
  call('ZREM', at('later', q), l .. ':' .. position)
  if key then call('ZREM', at('parked', q), parkedName(l, key, position)) end
end

local function withReason(state)
  return reason == '' and state or string.sub(state, 1, 1) .. reason
end

local function cancel()
  if not q.declared or number < 1 or number >= q.next then return 'unknown' end
  local hold = heldAt(q, position)
  local entry, l = find(q, position)
  if not entry then
    local ended = string.sub(call('HGET', at('ends', q), position) or '', 1, 1)
    return ended == 'C' and 'cancelled' or ended == 'W' and 'rescinded' or 'too-late'
  end
  local record = recordOf(q, position)
  if ifUnstarted then
    local asked = record and record.asked and #record.asked > 0
    local started = record and (record.failures + record.crashes > 0 or record.phase or asked)
    if started then return 'too-late' end
    if hold then
      record = record or freshRecord()
      if not notify(q, position, hold, 'withdraw') then return 'too-late' end
      record.withdrawals = record.withdrawals or {}
      table.insert(record.withdrawals, { session = ARGV[7], request = ARGV[8] })
      keep(q, position, record)
      return 'asked'
    end
  end
  if hold then
    finish(q, position, hold, withReason(cancelled), record, true)
    notify(q, position, hold, 'cancel', string.sub(withReason(cancelled), 2))
    return 'cancelled'
  end
  unlist(l, entry.key)
  finish(q, position, { lane = l, key = entry.key, from = entry.from }, withReason(ifUnstarted and rescinded or cancelled), record)
  return ifUnstarted and 'rescinded' or 'cancelled'
end

local answer = cancel()
wakeAll()
return answer
`,
);
