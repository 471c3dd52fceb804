/** What can be said about TLS: without Node, so that a page can look at its options, too. */
import { invalidOption } from "../errors.ts";
import { type Check, type Checks, text } from "../message/checks.ts";

/** PEM text, or its bytes. */
export type Pem = string | Uint8Array;

export interface ClientTls {
  /** Who may have signed the hub's certificate, instead of the authorities that Node knows. */
  readonly ca?: Pem;
  /** The client's own certificate, for a hub that asks for one (mutual TLS). With `key`. */
  readonly cert?: Pem;
  readonly key?: Pem;
  /** The name that the hub's certificate must have. Default: the host of the URL. */
  readonly servername?: string;
}

export interface ServerTls {
  readonly cert: Pem;
  readonly key: Pem;
  /** Ask clients for certificates, and take only those signed by these (mutual TLS). Default: ask nobody. */
  readonly ca?: Pem;
}

const aPem: Check = (field, value) => {
  if (typeof value === "string" || value instanceof Uint8Array) return;
  throw invalidOption(field, typeof value, "PEM text, or its bytes");
};

export const serverTlsChecks: Checks<ServerTls> = { ca: aPem, cert: aPem, key: aPem };
export const clientTlsChecks: Checks<ClientTls> = { ...serverTlsChecks, servername: text };
