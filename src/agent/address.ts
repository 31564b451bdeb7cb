import { createSocket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { NetobservError } from '../base/errors.ts';
import { formatAddress, parseAddress } from '../base/ip.ts';
import type { AgentConfig } from './config.ts';
import { AGENT_ERRORS } from './errors.ts';

type Family = 'ipv4' | 'ipv6';

/** The queries that the search makes to the machine. */
export interface HostAddresses {
  networkInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** The address from which a packet to the outside would be sent; undefined without a route. */
  towardsOutside(family: Family): Promise<string | undefined>;
}

/** Well-known addresses outside; nothing is sent to them. */
const OUTSIDE: Readonly<Record<Family, string>> = {
  ipv4: '8.8.8.8',
  ipv6: '2001:4860:4860::8888',
};

export const systemAddresses: HostAddresses = {
  networkInterfaces,

  // Connecting a datagram socket makes the kernel choose route and source, and sends nothing.
  async towardsOutside(family) {
    // Skips the name look-up: Node takes milliseconds to find out that an address is not a name.
    const lookup: SocketOptions['lookup'] = (address, _options, found) => found(null, address, 0);
    const socket = createSocket({ type: family === 'ipv4' ? 'udp4' : 'udp6', lookup });
    try {
      socket.connect(80, OUTSIDE[family]);
      await once(socket, 'connect');
      return socket.address().address;
    } catch {
      return undefined;
    } finally {
      socket.close();
    }
  },
};

export interface AgentAddress {
  /** Canonical text; empty when the machine has no address at all. */
  readonly address: string;
  /** Reports that the address is not the wanted one. */
  readonly warning?: string;
}

/** The address by which flows name this agent: AGENT_IP, or by AGENT_IP_IFACE and AGENT_IP_TYPE. */
export async function findAgentAddress(
  config: Pick<AgentConfig, 'agentIp' | 'agentIpIface' | 'agentIpType'>,
  host: HostAddresses,
): Promise<AgentAddress> {
  if (config.agentIp !== '') return { address: canonical(config.agentIp) };
  const families: readonly Family[] =
    config.agentIpType === 'any' ? ['ipv4', 'ipv6'] : [config.agentIpType];
  const interfaces = Object.entries(host.networkInterfaces());

  if (config.agentIpIface.startsWith('name:')) {
    const wanted = config.agentIpIface.slice('name:'.length);
    const infos = interfaces.filter(([name]) => name === wanted).flatMap(([, list]) => list ?? []);
    const address = pick(infos, families);
    if (address !== undefined) return { address };
    const names = interfaces.map(([name]) => name).join(', ');
    throw new NetobservError(
      AGENT_ERRORS.address,
      `AGENT_IP_IFACE: interface ${wanted} has no address of type ${config.agentIpType}; ` +
        `interfaces with addresses: ${names}`,
      { details: { variable: 'AGENT_IP_IFACE' } },
    );
  }
  if (config.agentIpIface === 'external') {
    for (const family of families) {
      const address = await host.towardsOutside(family);
      if (address !== undefined) return { address: canonical(address) };
    }
  }
  const local = pick(
    interfaces.flatMap(([, list]) => list ?? []).filter((info) => !info.internal),
    families,
  );
  if (config.agentIpIface === 'local' && local !== undefined) return { address: local };
  const instead = local === undefined ? 'flows have no AgentIP' : `${local} is taken`;
  const warning = `no address as AGENT_IP_IFACE and AGENT_IP_TYPE ask for: ${instead}; set AGENT_IP`;
  return { address: local ?? '', warning };
}

const LINK_LOCAL = /^(fe[89ab]|169\.254\.)/i;

const familyOf = (address: string): Family => (address.includes(':') ? 'ipv6' : 'ipv4');

/** The first address of the first family that has one, except link-local addresses. */
function pick(
  infos: readonly NetworkInterfaceInfo[],
  families: readonly Family[],
): string | undefined {
  for (const family of families) {
    const found = infos.find(
      ({ address }) => familyOf(address) === family && !LINK_LOCAL.test(address),
    );
    if (found !== undefined) return canonical(found.address);
  }
  return undefined;
}

function canonical(address: string): string {
  const bytes = parseAddress(address);
  return bytes === undefined ? address : formatAddress(bytes);
}
