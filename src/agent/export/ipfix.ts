import { IpfixEncoder, ipfixColumns } from '../../deliver/encoders/ipfix.ts';
import { IPFIX_TCP, IPFIX_UDP, IpfixTcp, IpfixUdp } from '../../deliver/targets/ipfix.ts';
import type { AgentConfig } from '../config.ts';
import { checkTarget } from './check.ts';
import { type CreateExport, outletOf, rowsOfBatch } from './outlet.ts';

/** EXPORT=ipfix+udp and ipfix+tcp: an IPFIX collector (RFC 7011). */
export const ipfixExport: CreateExport = (config, deps) => {
  checkTarget(config);
  const isUdp = config.export === 'ipfix+udp';
  const { targetHost: host, targetPort: port, ipfixEnterpriseNumber: enterprise } = config;
  const { limits, ...sizes } = isUdp ? IPFIX_UDP : IPFIX_TCP;
  const encoder = new IpfixEncoder({
    ...sizes,
    enterprise,
    shortFlags: config.ipfixShortTcpFlags,
    samplingOption: config.ipfixOptions ? samplingRate(config) : 0,
  });
  const log = deps.log.child({ component: 'ipfix' });
  const target = { host, port, clock: deps.clock, log, preamble: () => encoder.preamble() };
  const outlet = outletOf(config, deps, {
    name: 'ipfix',
    encoder,
    target: isUdp ? new IpfixUdp(target) : new IpfixTcp(target),
    limits,
    rowsOf: rowsOfBatch,
  });
  return { outlet, columns: ipfixColumns(deps.columns, enterprise) };
};

/** 0: every packet is sampled. Rules may have rates of their own, which only records show. */
function samplingRate({ sampling }: AgentConfig): number {
  return sampling > 1 ? sampling : 0;
}
