/** Whom a listener lets in unasked: nobody but processes of this machine. */
import { ColloquyError } from "../errors.ts";
import type { AcceptLink, Link, LinkHost } from "./link.ts";

/**
 * @param authenticated - whether it is asked who comes: by an authenticator, or by certificates.
 * @throws INVALID_OPTION where everybody who reaches `host` could come in.
 */
export function checkExposure(host: string, authenticated: boolean): void {
  if (authenticated || isLoopback(host)) return;
  const message =
    `host: ${host} can be reached from other machines, and nobody would be asked who they are; ` +
    "give a token, or an authority for client certificates, or listen on 127.0.0.1";
  throw new ColloquyError("INVALID_OPTION", message, { details: { field: "host", value: host } });
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}

/** Whether whoever comes is asked who it is. A function is not known to ask. */
export function asks(host: AcceptLink | LinkHost): boolean {
  return typeof host !== "function" && host.authenticates;
}

export function handLink(host: AcceptLink | LinkHost, link: Link): void {
  if (typeof host === "function") host(link);
  else host.accept(link);
}
