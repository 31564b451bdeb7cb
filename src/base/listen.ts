import { parseAddress } from './ip.ts';

/** The address that a server listens on. */
export interface ListenAddress {
  /** A host name or an address; IPv6 without brackets. */
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** The form in a URL. */
export function formatListen({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `host:port`, `[v6]:port`, or `:port` for all addresses; undefined for any other text. */
export function parseListen(value: string): ListenAddress | undefined {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9._-]*)):(?<port>\d{1,5})$/.exec(
    value,
  );
  const groups = match?.groups;
  if (groups === undefined) return undefined;
  const port = Number(groups.port);
  if (port > 65_535) return undefined;
  if (groups.v6 !== undefined) {
    const isV6 = groups.v6.includes(':') && parseAddress(groups.v6) !== undefined;
    return isV6 ? { host: groups.v6, port } : undefined;
  }
  const host = groups.name === undefined || groups.name === '' ? '::' : groups.name;
  // 1.2.3 and 1.2.3.999 would pass as names, but are never meant as names.
  if (/^[\d.]+$/.test(host) && parseAddress(host) === undefined) return undefined;
  return { host, port };
}
