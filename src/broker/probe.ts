/** What a broker found out about its server, as a checklist for people. */
export interface ProbeCheck {
  readonly name: string;
  /** Undefined where it could not be found out. */
  readonly ok: boolean | undefined;
  readonly found: string;
  readonly wanted: string;
  /** What to do where it is not ok; empty where it is. */
  readonly fix: string;
}
