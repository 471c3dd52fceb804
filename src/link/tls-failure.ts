/** Why a connection under TLS was not made, in words that say what to change. */
import { ColloquyError } from "../errors.ts";

export interface TlsFailure {
  readonly why: string;
  readonly fix: string;
}

const authority =
  "give the certificate of the authority that signed the server's: tls: { ca }, or --ca FILE";
const own =
  "it asks for a certificate that it trusts: tls: { cert, key }, or --tls-cert and --tls-key";

/** By the code that Node, or OpenSSL below it, gives the error. */
const fixes: readonly (readonly [codes: RegExp, fix: string])[] = [
  [/^(UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|SELF_SIGNED|DEPTH_ZERO|CERT_UNTRUSTED)/, authority],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    "give the server a certificate of today, or look at the clock of this machine",
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    "join it by a name that its certificate has, or say that name: tls: { servername }",
  ],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/,
    "no TLS is spoken there: is that the port for it, and is the server set up for TLS?",
  ],
  [/^ERR_SSL_.*ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE)$/, own],
  [/^ERR_SSL_/, "both sides must be able to speak the same version of TLS: see the server's log"],
];

/** How deep the error may be wrapped. */
const causesMax = 4;

/** @returns undefined where the failure is another one. */
export function tlsFailure(thrown: unknown): TlsFailure | undefined {
  let cause = thrown;
  for (let depth = 0; depth < causesMax && cause instanceof Error; depth++) {
    const { code = "", reason, message } = cause as Error & { code?: unknown; reason?: unknown };
    const fix = fixes.find(([codes]) => codes.test(String(code)))?.[1];
    // OpenSSL's own text names files and lines of its sources, and ends a line.
    if (fix !== undefined)
      return { why: typeof reason === "string" ? reason : message.trim(), fix };
    cause = cause.cause;
  }
  return undefined;
}

/** @param what - for people: "nobody listens at ADDRESS". */
export function notReached(what: string, cause: Error): ColloquyError<"AGENT_UNREACHABLE"> {
  const failure = tlsFailure(cause);
  if (failure === undefined) {
    return new ColloquyError("AGENT_UNREACHABLE", `${what}: ${cause.message}`, { cause });
  }
  const { why, fix } = failure;
  const message = `${what}: ${why}; ${fix}`;
  return new ColloquyError("AGENT_UNREACHABLE", message, { cause, details: { fix } });
}
