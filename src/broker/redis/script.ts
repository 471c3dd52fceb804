/**
 * Scripts that run on the server, each in one piece: nothing else happens meanwhile, and what it wrote
 * is kept together or not at all. (A script that fails half way keeps what it wrote: it has to check
 * everything before its first write.)
 *
 * In every script: `now()` is the server's clock, whole milliseconds; `text(n)` is a whole number as
 * text, exactly.
 */
import { createHash } from "node:crypto";

export interface RedisScript {
  /** For people: what is asked, in errors. */
  readonly name: string;
  readonly text: string;
  /** By which the server knows it. */
  readonly sha: string;
}

/** A script that may be run twice: it only reads, or what it does again changes nothing. Its KEYS and ARGV are its own. */
export function readScript(name: string, body: string): RedisScript {
  return scriptOf(name, `${prelude}\n${body}`);
}

export interface OnceOptions {
  /** The script makes room: it may write also when the server has reached maxmemory. Default: false. */
  readonly whenFull?: boolean;
}

/**
 * A script that is run once for each call, however often a broken connection makes the call be
 * repeated: its answer is kept beside what it did, until the caller has it. `KEYS[1]` and `ARGV[1]` to
 * `ARGV[2]` belong to that; the script's own begin at `KEYS[2]` and `ARGV[3]`. Its answer has to be
 * small, and made of tables without gaps, texts and whole numbers.
 *
 *   KEYS[1]  hash: number of a call → its answer, as MessagePack
 *   ARGV[1]  number of this call      ARGV[2]  numbers of answered calls, which are forgotten now
 */
export function onceScript(name: string, body: string, options: OnceOptions = {}): RedisScript {
  // The server refuses writes for want of memory only as long as a script has written nothing.
  const first = options.whenFull === true ? "" : "redis.call('HSET', KEYS[1], ARGV[1], '')";
  return scriptOf(
    name,
    `${prelude}
local function run()
${body}
end
local saved = redis.call('HGET', KEYS[1], ARGV[1])
if saved and saved ~= '' then
  redis.call('PEXPIRE', KEYS[1], ${callsKeptMs})
  return cmsgpack.unpack(saved)
end
${first}
for number in string.gmatch(ARGV[2], '%d+') do redis.call('HDEL', KEYS[1], number) end
local answer = run()
redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(answer))
redis.call('PEXPIRE', KEYS[1], ${callsKeptMs})
return answer`,
  );
}

/** How long answers are kept of a process that asks nothing more, ms. A call is repeated for less than that. */
export const callsKeptMs: number = 24 * 3_600_000;

const prelude = `local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function text(number) return string.format('%.0f', number) end`;

function scriptOf(name: string, text: string): RedisScript {
  return { name, text, sha: createHash("sha1").update(text).digest("hex") };
}
