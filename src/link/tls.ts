/** What TLS needs to know: version 1.3 (RFC 8446) and nothing older, on both sides. */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContextOptions,
  TLSSocket,
  type TlsOptions,
} from "node:tls";
import { ColloquyError } from "../errors.ts";
import { checkOptions } from "../message/checks.ts";
import type { PeerCertificate } from "./link.ts";
import {
  type ClientTls,
  clientTlsChecks,
  type Pem,
  type ServerTls,
  serverTlsChecks,
} from "./tls-options.ts";

/** Of who is at the other end; undefined where no certificate was asked for. */
export function certificateOf(socket: Duplex): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { subject, subjectAltName, fingerprint256: fingerprint } = certificate;
  return {
    subject: subject.split("\n").join(", "),
    ...(subjectAltName === undefined ? {} : { subjectAltName }),
    fingerprint,
  };
}

/** @throws INVALID_OPTION when the certificates or the key cannot be used. */
export function clientTls(tls: ClientTls, host: string): ConnectionOptions {
  checkOptions(tls, clientTlsChecks, "tls");
  const { servername = isIP(host) === 0 ? host : undefined } = tls;
  const options: ConnectionOptions = {
    ...credentials(tls),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: true,
  };
  checked(options);
  return options;
}

/** @throws INVALID_OPTION when the certificates or the key cannot be used. */
export function serverTls(tls: ServerTls): TlsOptions {
  checkOptions(tls, serverTlsChecks, "tls");
  const options: TlsOptions = {
    ...credentials(tls),
    ...(tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }),
  };
  checked(options);
  return options;
}

function credentials({ ca, cert, key }: ClientTls): SecureContextOptions {
  if ((cert === undefined) !== (key === undefined)) throw invalidTls("cert and key go together");
  return {
    minVersion: "TLSv1.3",
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
  };
}

function pem(text: Pem): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}

/** Now, and not with the first connection. */
function checked(options: SecureContextOptions): void {
  try {
    createSecureContext(options);
  } catch (cause) {
    throw invalidTls(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function invalidTls(why: string, cause?: unknown): ColloquyError<"INVALID_OPTION"> {
  const message = `tls: ${why}`;
  return new ColloquyError("INVALID_OPTION", message, { cause, details: { field: "tls" } });
}
