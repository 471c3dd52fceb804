/** Whether a certificate is that of the server which was meant, where that was named by its IP address. */
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

type CheckIdentity = (host: string, certificate: PeerCertificate) => Error | undefined;

/**
 * The client does not tell Node which address it has reached, and Node looks for "localhost" then: the
 * certificate has to name one of the addresses that were given instead.
 *
 * @param servers - HOST:PORT each.
 * @returns undefined where no address is among them: the usual check will do.
 */
export function identityCheck(servers: readonly string[]): CheckIdentity | undefined {
  const hosts = servers.map((server) => server.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  if (addresses.length === 0) return undefined;
  return (host, certificate) => {
    const named = host !== "localhost" || hosts.includes(host);
    const [first, ...others] = (named ? [host, ...addresses] : addresses).map((name) =>
      checkServerIdentity(name, certificate),
    );
    return others.includes(undefined) ? undefined : first;
  };
}
