import { DELIVERY_DEFAULTS } from '../../deliver/delivery.ts';
import { IpfixEncoder, ipfixColumns } from '../../deliver/encoders/ipfix.ts';
import {
  IPFIX_TCP_LIMITS,
  IPFIX_TCP_MESSAGE_MAX_BYTES,
  IPFIX_UDP_BURST_MESSAGES,
  IPFIX_UDP_MESSAGE_MAX_BYTES,
  IpfixTcp,
  IpfixUdp,
} from '../../deliver/targets/ipfix.ts';
import type { AgentConfig } from '../config.ts';
import { checkTarget } from './check.ts';
import { type CreateExport, outletOf, rowsOfBatch } from './outlet.ts';

/** EXPORT=ipfix+udp and ipfix+tcp: an IPFIX collector (RFC 7011). */
export const ipfixExport: CreateExport = (config, deps) => {
  checkTarget(config);
  const isUdp = config.export === 'ipfix+udp';
  const { targetHost: host, targetPort: port, ipfixEnterpriseNumber: enterprise } = config;
  const encoder = new IpfixEncoder({
    messageMaxBytes: isUdp ? IPFIX_UDP_MESSAGE_MAX_BYTES : IPFIX_TCP_MESSAGE_MAX_BYTES,
    burstMessages: isUdp ? IPFIX_UDP_BURST_MESSAGES : 1,
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
    limits: isUdp ? DELIVERY_DEFAULTS : IPFIX_TCP_LIMITS,
    rowsOf: rowsOfBatch,
  });
  return { outlet, columns: ipfixColumns(deps.columns, enterprise) };
};

/** 0: every packet is sampled. Rules may have rates of their own, which only records show. */
function samplingRate({ sampling }: AgentConfig): number {
  return sampling > 1 ? sampling : 0;
}
