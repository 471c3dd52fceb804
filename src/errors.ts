/**
 * Every failure Colloquy reports is a `ColloquyError` with one of these codes. `retryable` promises
 * that a repeat may succeed and cannot do the work twice; `status` is the HTTP status a gateway uses.
 */
export type ErrorCode =
  | "INVALID_MESSAGE"
  | "INVALID_VERSION"
  | "INVALID_ADDRESS"
  | "INVALID_OPTION"
  | "MESSAGE_TOO_LARGE"
  | "SERIALIZATION_ERROR"
  | "NO_HANDLER"
  | "NO_ELIGIBLE_AGENT"
  | "AGENT_UNREACHABLE"
  | "HANDLER_FAILED"
  | "TIMEOUT"
  | "INDETERMINATE"
  | "CONFLICT"
  | "NOT_FOUND"
  | "STREAM_CUT"
  | "DURABILITY_UNAVAILABLE"
  | "CANCELLED"
  | "EXPIRED"
  | "RESCINDED"
  | "QUEUE_FULL"
  | "RATE_LIMITED"
  | "CIRCUIT_OPEN"
  | "BUDGET_EXHAUSTED"
  | "HOP_LIMIT"
  | "LOOP_DETECTED"
  | "DEADLOCK"
  | "STALE_ATTEMPT"
  | "UNAUTHORIZED"
  | "TOKEN_EXPIRED"
  | "FORBIDDEN"
  | "ENCRYPTION_FAILED"
  | "DECRYPTION_FAILED"
  | "SIGNATURE_INVALID"
  | "REPLAYED"
  | "SESSION_NOT_FOUND"
  | "UNSUPPORTED"
  | "STORE_FAILED"
  | "CLOSED"
  | "INTERNAL_ERROR";

const errorTable: Readonly<Record<ErrorCode, { status: number; retryable: boolean }>> = {
  INVALID_MESSAGE: { status: 400, retryable: false },
  INVALID_VERSION: { status: 400, retryable: false },
  INVALID_ADDRESS: { status: 400, retryable: false },
  INVALID_OPTION: { status: 400, retryable: false },
  MESSAGE_TOO_LARGE: { status: 413, retryable: false },
  SERIALIZATION_ERROR: { status: 400, retryable: false },
  NO_HANDLER: { status: 404, retryable: false },
  NO_ELIGIBLE_AGENT: { status: 503, retryable: true },
  AGENT_UNREACHABLE: { status: 503, retryable: true },
  HANDLER_FAILED: { status: 500, retryable: false },
  TIMEOUT: { status: 504, retryable: false },
  INDETERMINATE: { status: 500, retryable: false },
  CONFLICT: { status: 409, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  STREAM_CUT: { status: 502, retryable: false },
  DURABILITY_UNAVAILABLE: { status: 503, retryable: false },
  CANCELLED: { status: 499, retryable: false },
  EXPIRED: { status: 410, retryable: false },
  RESCINDED: { status: 410, retryable: false },
  QUEUE_FULL: { status: 429, retryable: true },
  RATE_LIMITED: { status: 429, retryable: true },
  CIRCUIT_OPEN: { status: 503, retryable: true },
  BUDGET_EXHAUSTED: { status: 429, retryable: false },
  HOP_LIMIT: { status: 508, retryable: false },
  LOOP_DETECTED: { status: 508, retryable: false },
  DEADLOCK: { status: 409, retryable: false },
  STALE_ATTEMPT: { status: 409, retryable: false },
  UNAUTHORIZED: { status: 401, retryable: false },
  TOKEN_EXPIRED: { status: 401, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  ENCRYPTION_FAILED: { status: 500, retryable: false },
  DECRYPTION_FAILED: { status: 400, retryable: false },
  SIGNATURE_INVALID: { status: 401, retryable: false },
  REPLAYED: { status: 409, retryable: false },
  SESSION_NOT_FOUND: { status: 404, retryable: false },
  UNSUPPORTED: { status: 501, retryable: false },
  STORE_FAILED: { status: 500, retryable: false },
  CLOSED: { status: 503, retryable: false },
  INTERNAL_ERROR: { status: 500, retryable: false },
};

/** What is known about the work when the wait for it ended. */
export type TimeoutOutcome = "not-started" | "in-progress" | "done" | "unknown";

/** Plain facts that belong to one failure: the field, the limit, the value that broke it. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** Overrides the table, where the reporter knows better than the code alone. */
  readonly retryable?: boolean;
}

/** An error as it travels: no stack, no cause chain. */
export interface ErrorInfo {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: ErrorDetails;
}

/** Registered globally, so that errors made by another copy of this package are known too. */
const brand = "colloquyError";

/** The one error class. Tell failures apart by `code`; `switch (error.code)` narrows. */
export class ColloquyError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "ColloquyError";
  readonly code: Code;
  readonly retryable: boolean;
  readonly status: number;
  readonly details: ErrorDetails;
  readonly colloquyError = true;

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? errorTable[code].retryable;
    this.status = errorTable[code].status;
    this.details = options.details ?? {};
  }

  toJSON(): ErrorInfo {
    return errorInfo(this);
  }
}

/**
 * True for a `ColloquyError`, also one made by another copy of this package.
 *
 * @param code - when given, only an error with this code.
 */
export function isColloquyError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: Code,
): error is ColloquyError<Code> {
  if (typeof error !== "object" || error === null || !(brand in error)) return false;
  return code === undefined || (error as ColloquyError).code === code;
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(errorTable, code);
}

export function isErrorInfo(value: unknown): value is ErrorInfo {
  const { code, message, retryable } = Object(value) as Partial<ErrorInfo>;
  return isErrorCode(code) && typeof message === "string" && typeof retryable === "boolean";
}

/** What may leave this process about any thrown value. Details that are no data stay behind. */
export function errorInfo(thrown: unknown): ErrorInfo {
  const { code, message, retryable, details } = toColloquyError(thrown);
  return Object.keys(details).length > 0 && areData(details)
    ? { code, message, retryable, details }
    : { code, message, retryable };
}

/** False for a cycle, a bigint, a getter that throws: whoever writes an error must be able to. */
function areData(details: ErrorDetails): boolean {
  try {
    JSON.stringify(details);
    return true;
  } catch {
    return false;
  }
}

/** A `ColloquyError` as it is; anything else as HANDLER_FAILED with its name, message and `data`. */
export function toColloquyError(thrown: unknown): ColloquyError {
  if (isColloquyError(thrown)) return thrown;
  if (!(thrown instanceof Error)) {
    return new ColloquyError("HANDLER_FAILED", String(thrown), {
      details: { name: typeof thrown },
    });
  }
  const { name, message, data } = thrown as Error & { readonly data?: unknown };
  const details = data === undefined ? { name } : { name, data };
  return new ColloquyError("HANDLER_FAILED", message, { cause: thrown, details });
}

/** The error that an `ErrorInfo` from elsewhere stands for. */
export function errorFromInfo(info: ErrorInfo): ColloquyError {
  return new ColloquyError(info.code, info.message, {
    retryable: info.retryable,
    ...(info.details === undefined ? {} : { details: info.details }),
  });
}

/** The refusal of an option: names it, its value and what it may be. */
export function invalidOption(
  field: string,
  value: unknown,
  limit: string,
): ColloquyError<"INVALID_OPTION"> {
  const shown = shownValue(value);
  return new ColloquyError("INVALID_OPTION", `${field}: ${shown} is not ${limit}`, {
    details: { field, value: shown, limit },
  });
}

const shownCharactersMax = 200;

/** Of anything, also of what cannot be made a text. */
function shownValue(value: unknown): string {
  try {
    return String(value).slice(0, shownCharactersMax);
  } catch {
    return typeof value;
  }
}
