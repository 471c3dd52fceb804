/** Moments at which a process that dies has done one thing and not yet the next. */
export type ProbePoint =
  /** A new owner has opened the store and serves nobody yet. */
  | "opened"
  /** Others can connect. */
  | "listening"
  /** Messages are stored; nobody has been told. */
  | "enqueued"
  /** Their senders have been told; nothing was delivered because of them. */
  | "acknowledged"
  /** Settlements are stored; nobody has been told. */
  | "settled";

export type Probe = (point: ProbePoint) => void;
