/**
 * A subject: one program that does the work of a workload, ours, a peer's, or a floor with nothing in
 * it but the operating system. Its module exports `open: OpenSubject` and runs in a process of its own,
 * so that no subject shares a heap, compiled code or an event loop with another.
 */
export interface Subject {
  /**
   * Works for about `durationMs`.
   *
   * @param level - of the workload, say how many operations are begun and not completed at a time.
   */
  measure(level: number, durationMs: number): Promise<Sample>;
  /** Ends the processes and removes the files that `open` made. */
  close(): Promise<void>;
}

export type OpenSubject = () => Promise<Subject>;

/** What one measurement of one subject found. */
export interface Sample {
  /** In the unit of the workload. */
  readonly value: number;
  /** From the beginning of an operation to its completion; absent where reading the clock would cost too much. */
  readonly latency?: Latency;
  /** Of the owner of the store, mebibytes, where that is what is asked. */
  readonly memoryMiB?: number;
  /** To add one of what the level counts, wall clock, where some were added. */
  readonly setUpMicroseconds?: number;
  /** Of all processes of the subject, for one operation; absent where the system does not tell. */
  readonly cpuMicroseconds?: number;
}

export interface Latency {
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
}
