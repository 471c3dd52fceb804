/**
 * Scripts that run on the server, each in one piece: nothing else happens meanwhile, and what it wrote
 * is kept together or not at all. (A script that fails half way keeps what it wrote: it has to check
 * everything before its first write.)
 *
 * They are functions of one library (library.ts), which the server compiles once. So what is local to
 * the library outlives a call, and belongs to whoever is called next: what is a call's own, the call
 * sets when it begins.
 *
 * In every script: `KEYS` and `ARGV`; `call`, which runs a command; `root`, `{prefix}:`, before every
 * key; `time`, the server's clock, whole milliseconds; `text(n)`, a whole number as text, exactly.
 */

export interface RedisScript {
  /** For people: what is asked, in errors. */
  readonly name: string;
  /** The same, as Lua can name it. Unique in its library. */
  readonly id: string;
  /** Registers it. */
  readonly text: string;
  /** What the server lets it do: "no-writes", also "allow-oom" or nothing. */
  readonly flags: string;
}

export interface OnceOptions {
  /** The script makes room: it may write also when the server has reached maxmemory. Default: false. */
  readonly whenFull?: boolean;
  /** Functions that only its body calls. */
  readonly before?: string;
}

/** A script that only reads. Its KEYS and ARGV are its own. */
export function readScript(name: string, body: string): RedisScript {
  return scriptOf("register", name, body, "no-writes");
}

/** A script that may be run twice, as what it does again changes nothing, and may write when the server is full. */
export function repeatableScript(name: string, body: string): RedisScript {
  return scriptOf("register", name, body, "allow-oom");
}

/**
 * A script that is run once for each call, however often a broken connection makes the call be
 * repeated: its answer is kept beside what it did, until the caller has it. `KEYS[1]` and `ARGV[1]` to
 * `ARGV[2]` belong to that; the script's own begin at `KEYS[2]` and `ARGV[3]`. Its answer has to be
 * small, and made of tables without gaps, texts and whole numbers.
 *
 * What was sent over a connection that has broken may still arrive, after the call was answered over the
 * next one and forgotten: it is refused, as there is a later link.
 *
 *   KEYS[1]  hash: number of a call → its answer, as MessagePack; link → number of the present one
 *   ARGV[1]  number of this call      ARGV[2]  number of the link by which it comes
 */
export function onceScript(
  name: string,
  body: string,
  { whenFull = false, before = "" }: OnceOptions = {},
): RedisScript {
  return scriptOf("registerOnce", name, body, whenFull ? "allow-oom" : "", before);
}

/** How long answers are kept of a process that asks nothing more, ms: at least half of that, for which calls are repeated. */
export const callsKeptMs: number = 24 * 3_600_000;

/** What scripts begin with; `define(id, callback, flags)` comes before it. */
export const scriptHead: string = `
local KEYS, ARGV, call, root, time
local function text(number) return string.format('%.0f', number) end

local function register(name, run, flags)
  define(name, function(keys, arguments)
    KEYS, ARGV, call = keys, arguments, redis.call
    root = string.match(keys[1], '^%b{}:')
    local now = call('TIME')
    time = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
    return run()
  end, flags)
end

local function registerOnce(name, run, flags)
  register(name, function()
    local known = call('HMGET', KEYS[1], ARGV[1], 'link')
    local saved, link = known[1], known[2]
    if link and link ~= ARGV[2] then return redis.error_reply('LATE it comes by an earlier link') end
    if saved then return cmsgpack.unpack(saved) end
    local answer = run()
    call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(answer))
    return answer
  end, flags)
end
`;

function scriptOf(
  register: "register" | "registerOnce",
  name: string,
  body: string,
  flags: string,
  before = "",
): RedisScript {
  const id = name.replaceAll(" ", "_");
  const list = flags === "" ? "{}" : `{ '${flags}' }`;
  const text = `do\n${before}\n${register}('${id}', function()\n${body}\nend, ${list})\nend\n`;
  return { name, id, text, flags };
}

/** From now on calls come by this link. KEYS[1]: as above; ARGV: its number, which rises. */
export const linkScript: RedisScript = repeatableScript(
  "link",
  `local before = tonumber(call('HGET', KEYS[1], 'link') or '0')
if tonumber(ARGV[1]) > before then call('HSET', KEYS[1], 'link', ARGV[1]) end
call('PEXPIRE', KEYS[1], ${callsKeptMs})
return 'known'`,
);
