import { isIP } from 'node:net';
import { parseAddress } from '../../base/ip.ts';
import { shown } from '../../base/shown.ts';

/**
 * Decides which `Host` headers are answered.
 *
 * A page anywhere can point a DNS name of its own at 127.0.0.1 and then read from "its own origin"
 * (DNS rebinding). The browser still sends that name as the Host, so a server that answers only to
 * names it knows cannot be read in this way. An address is never such a name: behind a wildcard
 * binding every literal address is fine.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #anyAddress: boolean;

  constructor(boundHost: string, allowedHosts: readonly string[]) {
    this.#names = new Set(['localhost', '127.0.0.1', '::1', boundHost, ...allowedHosts].map(fold));
    this.#anyAddress = isWildcard(boundHost);
  }

  allows(header: string | undefined): boolean {
    const name = header === undefined ? undefined : hostName(header);
    if (name === undefined) return false;
    return this.#names.has(name) || (this.#anyAddress && isIP(name) !== 0);
  }
}

/** The name in `name:port`, folded, without port and brackets; undefined if malformed. */
function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(header);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? undefined : fold(name);
}

function fold(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

export function isWildcard(host: string): boolean {
  const bytes = parseAddress(host);
  // Both :: and 0.0.0.0, which is stored as ::ffff:0.0.0.0.
  return bytes?.every((byte, index) => byte === 0 || index === 10 || index === 11) ?? false;
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  if (fold(host) === 'localhost') return true;
  const bytes = parseAddress(host);
  if (bytes === undefined) return false;
  const mapped = bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes[12] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/**
 * Why a request counts as made by a page of another site; undefined when it does not.
 *
 * Browsers send `Sec-Fetch-Site`, and `Origin` for anything that changes state; a client that sends
 * neither is not a browser. A proxy may pass another Host than the browser requested, so an origin
 * whose name is among the allowed hosts is still the console's own.
 */
export function crossSiteReason(
  headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly 'sec-fetch-site'?: string | string[] | undefined;
  },
  allowedHosts: readonly string[],
): string | undefined {
  if (headers['sec-fetch-site'] === 'cross-site') {
    return 'pages of other sites may not call this API: open the console itself';
  }
  if (headers.origin === undefined) return undefined;
  // A sandboxed page has the origin "null", which is not a URL.
  const origin = URL.canParse(headers.origin) ? new URL(headers.origin) : undefined;
  if (origin !== undefined && origin.host === headers.host?.toLowerCase()) return undefined;
  const name = origin && fold(origin.hostname.replace(/^\[|\]$/g, ''));
  if (allowedHosts.some((allowed) => fold(allowed) === name)) return undefined;
  return (
    `Origin is ${shown(headers.origin)}, Host is ${shown(headers.host ?? '')}: let the proxy pass ` +
    'Host, and name the host in --allowed-hosts; without a proxy, open the console itself'
  );
}
