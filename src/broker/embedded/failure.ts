/** What went wrong with the files, in the words of our errors. */
import { ColloquyError, type ErrorDetails } from "../../errors.ts";

/** `details.reason` of STORE_FAILED and CONFLICT. */
export type StoreFailure =
  /** Something else has the store open. The only reason of CONFLICT. */
  | "owned"
  /** The file or its directory cannot be written. */
  | "read-only"
  | "permission-denied"
  | "not-a-directory"
  /** A file of another kind. */
  | "foreign"
  /** A file of the store is gone while another one is there. */
  | "missing"
  /** The content does not add up. */
  | "damaged"
  /** The files are whole and older than what was acknowledged: commits are missing. */
  | "behind"
  | "disk-full"
  /** The operating system reported an error of the disk. */
  | "input-output"
  /** An earlier failure ended this storage. */
  | "failed";

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const sqlite = {
  permission: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const;

/** The primary result code, or undefined for what SQLite did not throw. */
function resultCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/** Why a call of SQLite failed. What it reports beyond these means that the file is not as we made it. */
function storeFailureOf(error: unknown): StoreFailure {
  if (isSystemError(error)) return systemFailureOf(error);
  switch (resultCode(error)) {
    case sqlite.busy:
    case sqlite.locked:
      return "owned";
    case sqlite.readOnly:
      return "read-only";
    case sqlite.permission:
    case sqlite.cannotOpen:
      return "permission-denied";
    case sqlite.full:
      return "disk-full";
    case sqlite.inputOutput:
      return "input-output";
    case sqlite.notADatabase:
      return "foreign";
    default:
      return "damaged";
  }
}

export function isFull(error: unknown): boolean {
  return resultCode(error) === sqlite.full;
}

/** The code of an error of the operating system, like "ENOENT". */
export function systemCode(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

/** Why a call of the operating system failed. */
export function systemFailureOf(error: unknown): StoreFailure {
  switch (systemCode(error)) {
    case "EACCES":
    case "EPERM":
      return "permission-denied";
    case "EROFS":
      return "read-only";
    case "ENOSPC":
    case "EDQUOT":
      return "disk-full";
    case "ENOTDIR":
      return "not-a-directory";
    default:
      return "input-output";
  }
}

const explanations: Readonly<Record<StoreFailure, string>> = {
  owned: "the store is in use by another owner; connect to it, or wait until it ends",
  "read-only": "the store cannot be written; make its directory and files writable",
  "permission-denied":
    "the store may not be opened; give this user access to its directory and files",
  "not-a-directory":
    "the path of the store is not a directory; name another one or move the file away",
  foreign: "the file is not a Colloquy store; it was left as it is. Choose another directory",
  missing: "a file of the store is missing; nothing was changed. Put it back, or restore a backup",
  damaged:
    "the store is damaged; nothing was changed. Keep the files, and restore a backup, or see colloquy export",
  behind:
    "the store ends before what was acknowledged; nothing was changed. Put the newest files back, or restore a backup",
  "disk-full": "no room for the store; nothing of this was written. Free space on the disk",
  "input-output": "the disk failed; check it, and open the store again",
  failed: "the store was ended by an earlier failure; open it again",
};

/** CONFLICT for "owned", STORE_FAILED for everything else. */
export function storeError(
  reason: StoreFailure,
  details: ErrorDetails,
  options: { readonly cause?: unknown; readonly because?: string } = {},
): ColloquyError<"CONFLICT" | "STORE_FAILED"> {
  const { cause, because } = options;
  const message =
    because === undefined ? explanations[reason] : `${explanations[reason]} (${because})`;
  return new ColloquyError(reason === "owned" ? "CONFLICT" : "STORE_FAILED", message, {
    details: { reason, ...details },
    ...(cause === undefined ? {} : { cause }),
  });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

/**
 * True for what SQLite and the operating system report, and for a whole number too large to be one that was written. A value
 * that does not fit its column is the fault of the program, not of the store.
 */
export function isStoreFault(error: unknown): boolean {
  const code = resultCode(error);
  if (code !== undefined) return code !== sqlite.constraint;
  if (isSystemError(error)) return true;
  return error instanceof RangeError && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

/** What may leave this folder about a thrown value: a fault of the store in our words, others as they are. */
export function asStoreError(error: unknown, details: ErrorDetails): unknown {
  if (!isStoreFault(error)) return error;
  const because = error instanceof Error ? error.message : undefined;
  return storeError(storeFailureOf(error), details, {
    cause: error,
    ...(because === undefined ? {} : { because }),
  });
}
