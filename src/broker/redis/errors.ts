/** What the server or the way to it says, as errors of ours that tell what to change. */
import { ColloquyError, type ErrorCode, isColloquyError } from "../../errors.ts";
import { tlsFailure } from "../../link/tls-failure.ts";

interface Meaning {
  readonly code: ErrorCode;
  /** Nothing was done, and a repeat may succeed. */
  readonly retryable: boolean;
  /** For people: what to change, or to wait for. */
  readonly fix: string;
}

/** By the first word of an error reply. All of them mean that nothing was done. */
const refusals: Readonly<Record<string, Meaning>> = {
  OOM: {
    code: "QUEUE_FULL",
    retryable: true,
    fix: "the server is full: raise maxmemory, or let handlers take from what waits",
  },
  MISCONF: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "the server cannot write to its disk and takes no writes: make room or mend the disk, see its log",
  },
  READONLY: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "this server is a replica: connect to its master",
  },
  NOREPLICAS: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "fewer replicas are there than min-replicas-to-write wants: bring them back or lower it",
  },
  LOADING: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "the server is still loading what it kept: wait for it",
  },
  BUSY: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "somebody's script keeps the server busy: wait for it, or end it with SCRIPT KILL or FUNCTION KILL",
  },
  MASTERDOWN: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "this server is a replica that has lost its master: connect to a master",
  },
  CLUSTERDOWN: {
    code: "STORE_FAILED",
    retryable: true,
    fix: "the cluster is down: see CLUSTER INFO",
  },
  TRYAGAIN: { code: "STORE_FAILED", retryable: true, fix: "the cluster is moving the slot: wait" },
  MOVED: {
    code: "UNSUPPORTED",
    retryable: false,
    fix: "another node of the cluster has the slot of this prefix: connect to that node",
  },
  ASK: { code: "STORE_FAILED", retryable: true, fix: "the cluster is moving the slot: wait" },
  CROSSSLOT: {
    code: "UNSUPPORTED",
    retryable: false,
    fix: "the server keeps names of one hash tag apart: no cluster that does can be used",
  },
  NOAUTH: { code: "UNAUTHORIZED", retryable: false, fix: "give a user and a password in the URL" },
  WRONGPASS: {
    code: "UNAUTHORIZED",
    retryable: false,
    fix: "the user or the password is wrong, or the user is off: see ACL LIST on the server",
  },
  NOPERM: {
    code: "FORBIDDEN",
    retryable: false,
    fix: "the user may not do this: it needs the keys ~{PREFIX}:*, all channels (&*, because the server takes patterns literally) and the commands of docs/redis.md",
  },
  NOPROTO: { code: "UNSUPPORTED", retryable: false, fix: "RESP 3 is needed: Redis 6 or newer" },
};

const mayHaveBeenDone =
  "it is not known whether it was done; repeating it under the same id is safe";

/**
 * Of an error reply, by its first word; of anything else as INTERNAL_ERROR.
 *
 * @param doing - for people: what was asked.
 */
export function replyError(cause: unknown, doing: string): ColloquyError {
  if (isColloquyError(cause)) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const word = replyCode(text);
  const meaning = refusals[word];
  if (meaning !== undefined) {
    const { code, retryable, fix } = meaning;
    const details = { reply: word, fix };
    return new ColloquyError(code, `${doing}: ${text}; ${fix}`, { cause, retryable, details });
  }
  if (isUnknownCommand(text) || isScriptTooNew(text)) {
    const fix = "the server is too old for this: Redis 7 or a fork that is as far is needed";
    return new ColloquyError("UNSUPPORTED", `${doing}: ${text}; ${fix}`, {
      cause,
      details: { reply: word, fix },
    });
  }
  return new ColloquyError("INTERNAL_ERROR", `${doing}: ${text}`, {
    cause,
    details: { reply: word },
  });
}

/** True for an answer of the server's, which means that the connection is all right. */
export function isReply(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  for (let type = Object.getPrototypeOf(cause); type !== null; type = Object.getPrototypeOf(type)) {
    // By name, so that the client need not be there when this module is loaded.
    if (type.constructor?.name === "ErrorReply") return true;
  }
  return false;
}

/** The server does not have the library of this version, or not any more. */
export function isFunctionMissing(cause: unknown): boolean {
  if (!isReply(cause)) return false;
  const { message } = cause as Error;
  return /^ERR Function not found/i.test(message) || isUnknownCommand(message);
}

/** The server does not have the text of a script. */
export function isScriptMissing(cause: unknown): boolean {
  return isReply(cause) && replyCode((cause as Error).message) === "NOSCRIPT";
}

/** A library cannot be loaded: this user may not, there is no room for it, or the server has none. */
export function isNoLibrary(cause: unknown): boolean {
  if (!isReply(cause)) return false;
  const { message } = cause as Error;
  return ["NOPERM", "OOM"].includes(replyCode(message)) || isUnknownCommand(message);
}

/** "NOSCRIPT" of "NOSCRIPT No matching script". */
export function replyCode(text: string): string {
  return /^[A-Z]+\b/.exec(text)?.[0] ?? "";
}

function isUnknownCommand(text: string): boolean {
  return /^ERR unknown (sub)?command/i.test(text);
}

/** Scripts that say what they need are not read by those who have not learnt it. */
function isScriptTooNew(text: string): boolean {
  return /^ERR Error compiling script .* near '#'/.test(text);
}

/** The connection broke between asking and the answer. */
export function lostInFlight(cause: unknown, doing: string): ColloquyError<"INDETERMINATE"> {
  return new ColloquyError("INDETERMINATE", `${doing}: ${mayHaveBeenDone}`, { cause });
}

/** The server could not be reached. */
export function unreachable(cause: unknown, where: string): ColloquyError {
  if (isColloquyError(cause)) return cause;
  if (isReply(cause)) return replyError(cause, where);
  const text = cause instanceof Error ? cause.message || (cause as { code?: string }).code : cause;
  const { why, fix } = tlsFailure(cause) ?? { why: String(text), fix: fixOf(String(text), where) };
  return new ColloquyError("AGENT_UNREACHABLE", `${where}: ${why}; ${fix}`, {
    cause,
    details: { fix },
  });
}

function fixOf(text: string, where: string): string {
  const isThere = "is the server up, and is that its address?";
  if (where.startsWith("rediss:") && text.startsWith("no answer")) {
    return `${isThere} Without TLS it is redis://`;
  }
  // What takes a connection and ends it before it has said anything may want TLS first.
  const ended = /ECONNRESET|closed/i.test(text);
  return ended && where.startsWith("redis:") ? `${isThere} With TLS it is rediss://` : isThere;
}
