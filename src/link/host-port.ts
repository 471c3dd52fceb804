/** A place on a network: how it is written, and how it is checked. */
import { ColloquyError } from "../errors.ts";

export interface HostPort {
  /** A name or an IP address, an IPv6 one without brackets. */
  readonly host: string;
  /** 1 to 65,535; to listen also 0, for any that is free. */
  readonly port: number;
}

/** As it stands in a URL: an IPv6 address is bracketed. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** @throws INVALID_OPTION naming `host` or `port`. */
export function checkHostPort({ host, port }: HostPort, portMin: 0 | 1): void {
  if (typeof host !== "string" || host === "") {
    const message = `host: ${JSON.stringify(host)} is neither a name nor an address`;
    throw new ColloquyError("INVALID_OPTION", message, { details: { field: "host" } });
  }
  if (Number.isInteger(port) && port >= portMin && port <= portMax) return;
  const message = `port: ${port} is not a whole number from ${portMin} to ${portMax}`;
  throw new ColloquyError("INVALID_OPTION", message, {
    details: { field: "port", value: port, min: portMin, max: portMax },
  });
}

const portMax = 65_535;
