/**
 * Who a client is. It is asked once, when a session begins, and everything the session does is done in
 * that name; nothing that a client says of itself later counts.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Hello } from "../broker/hub/operations/greeting.ts";
import { ColloquyError } from "../errors.ts";
import type { Link } from "../link/link.ts";

/** Whom a session belongs to. */
export interface Identity {
  /** Unique: sessions of one client are told from another's by it. */
  readonly name: string;
}

/**
 * Says who is at the other end of `link`, by what the client has shown in `hello.credential`, by
 * `link.certificate` or by the link itself. Rejects, with the reason to be told, to refuse: UNAUTHORIZED, or TOKEN_EXPIRED.
 */
export type Authenticate = (hello: Hello, link: Link) => Promise<Identity>;

/** Whoever could open the link: on a Unix socket the owner of its file. */
export const localIdentity: Identity = Object.freeze({ name: "local" });

/**
 * Names each client by the subject of the certificate that its listener has checked: see `tls.ca`.
 * Rejects with UNAUTHORIZED who came without one.
 */
export const certificateIdentity: Authenticate = async (_hello, { certificate }) => {
  if (certificate !== undefined) return { name: certificate.subject };
  throw new ColloquyError("UNAUTHORIZED", "this hub asks for a certificate, and none was shown");
};

/** Characters of a shared token, at least: what could be guessed is no secret. */
export const tokenCharactersMin = 16;

/**
 * Lets in whoever knows the token, all under one identity.
 *
 * @throws INVALID_OPTION for a token of fewer than 16 characters.
 */
export function sharedToken(token: string): Authenticate {
  if (typeof token !== "string" || token.length < tokenCharactersMin) {
    const message = `token: it has ${String(token?.length)} characters, and needs ${tokenCharactersMin}`;
    throw new ColloquyError("INVALID_OPTION", message, { details: { field: "token" } });
  }
  const expected = digestOf(token);
  const identity: Identity = Object.freeze({ name: "token" });
  return async ({ credential }) => {
    if (credential === undefined) {
      throw new ColloquyError("UNAUTHORIZED", "this hub asks for a token, and none was shown");
    }
    // Digests have one length, and comparing them takes as long whatever they have in common.
    if (!timingSafeEqual(digestOf(credential), expected)) {
      throw new ColloquyError("UNAUTHORIZED", "the token is not the one that this hub expects");
    }
    return identity;
  };
}

function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
