/** What one look has found. */
export interface Finding {
  readonly check: string;
  /** "warn": it works, with less than one might expect. "fail": it does not. */
  readonly verdict: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do about it; absent where nothing is to be done. */
  readonly remedy?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, verdict: "ok", found };
}

export function warn(check: string, found: string, remedy: string): Finding {
  return { check, verdict: "warn", found, remedy };
}

export function fail(check: string, found: string, remedy: string): Finding {
  return { check, verdict: "fail", found, remedy };
}
