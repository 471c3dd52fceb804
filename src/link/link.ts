/**
 * How bytes travel between two processes. A link carries an ordered run of bytes both ways and knows
 * nothing of frames; chunks arrive cut anywhere.
 */
export interface Link {
  /** Who is at the other end, for people: a path or host and port. */
  readonly peer: string;
  /** Both ends are on one machine, with no network between that may stall or come back. Absent: yes. */
  readonly local?: boolean;
  /** Of the client, where the listener asked for one and an authority of its own had signed it. */
  readonly certificate?: PeerCertificate | undefined;
  /**
   * Queues `chunk`, which the caller must not change until the link is `idle`. Never throws; after the link has
   * ended the chunk is dropped.
   *
   * @returns false when more than the high-water mark waits to be written: await `drained()` first.
   */
  send(chunk: Uint8Array): boolean;
  /** True while nothing that was sent is held here: its memory may be written again. Absent where nobody knows. */
  readonly idle?: boolean;
  /** Resolves once what waits is below the high-water mark, or the link has ended. */
  drained(): Promise<void>;
  /**
   * The chunks as they arrive, to one reader. Ends when the other side has closed in order, throws
   * AGENT_UNREACHABLE with the cause when the link broke. Not reading holds the sender back.
   */
  receive(): AsyncIterable<Uint8Array>;
  /** Writes what waits, then ends both directions. Safe to repeat; never rejects. */
  close(): Promise<void>;
  /** Ends both directions at once and drops what waits. Safe to repeat, and during `close()`. */
  destroy(): void;
}

export interface PeerCertificate {
  /** In the order of the certificate, such as "O=Acme, CN=desk-1". */
  readonly subject: string;
  /** Such as "DNS:desk-1.example, URI:spiffe://acme/desk-1". */
  readonly subjectAltName?: string;
  /** SHA-256, pairs of hexadecimal digits with colons between. */
  readonly fingerprint: string;
}

/** Opens a link, or rejects with AGENT_UNREACHABLE; with CANCELLED once `signal` aborts. */
export type Connect = (signal: AbortSignal) => Promise<Link>;

/** Takes a link that somebody opened to a listener. Must not throw. */
export type AcceptLink = (link: Link) => void;

/** Who takes links and says whether it asks who comes, as a `Hub` does. */
export interface LinkHost {
  /** False: whoever opens a link may do everything, so that only this machine may. */
  readonly authenticates: boolean;
  accept(link: Link): void;
}

export interface Listener {
  /** Where others connect, in the form `Connect` makers of the same kind of link take. */
  readonly address: string;
  /** Stops accepting. Links already open stay open. */
  close(): Promise<void>;
}
