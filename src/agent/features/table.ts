import type { Feature } from '../../flow/field.ts';
import type { AgentConfig } from '../config.ts';
import { dns } from './dns.ts';
import { dropRules } from './drop-rules.ts';
import { drops } from './drops.ts';
import { events } from './events.ts';
import type { FeatureSpec } from './feature.ts';
import { ipsec } from './ipsec.ts';
import { nat } from './nat.ts';
import { openssl } from './openssl.ts';
import { processes } from './processes.ts';
import { quic } from './quic.ts';
import { rtt } from './rtt.ts';
import { tcpHealth } from './tcp-health.ts';
import { tls } from './tls.ts';
import { tunnels } from './tunnels.ts';
import { udn } from './udn.ts';

/**
 * Every feature, in the order of their structures in an entry, which is also the order in which
 * they fill columns: policies are the better cause of drops that others have counted.
 */
export const FEATURES: readonly FeatureSpec[] = [
  ...[rtt, drops, dropRules, dns, tls, quic, tcpHealth, processes, tunnels],
  ...[nat, openssl, ipsec, events, udn],
];

/** Gates of the fields that an agent with this configuration fills, if the kernel allows them. */
export function fieldsOf(config: AgentConfig): readonly Feature[] {
  return gatesOf(FEATURES.filter((feature) => feature.isOn(config)));
}

/** Gates of the fields that the named features fill. */
export function fieldsOfNamed(names: readonly string[]): readonly Feature[] {
  return gatesOf(FEATURES.filter(({ name }) => names.includes(name)));
}

function gatesOf(features: readonly FeatureSpec[]): readonly Feature[] {
  return [...new Set(features.flatMap(({ fields }) => fields ?? []))];
}
