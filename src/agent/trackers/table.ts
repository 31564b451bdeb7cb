import type { Feature } from '../../flow/field.ts';
import type { AgentConfig } from '../config.ts';
import { dropRules } from './drop-rules.ts';
import { drops } from './drops.ts';
import { processes } from './processes.ts';
import { rtt } from './rtt.ts';
import { tcpHealth } from './tcp-health.ts';
import type { FeatureSpec } from './tracker.ts';

/** Every feature, in the order in which their structures stand in an entry. */
export const FEATURES: readonly FeatureSpec[] = [rtt, drops, dropRules, tcpHealth, processes];

/** Gates of the fields that an agent with this configuration fills, as far as the kernel allows. */
export function fieldsOf(config: AgentConfig): readonly Feature[] {
  const gates = FEATURES.filter((feature) => feature.isOn(config)).map(({ fields }) => fields);
  return [...new Set(gates.filter((gate) => gate !== undefined))];
}
