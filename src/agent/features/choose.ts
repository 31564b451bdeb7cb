import { NetobservError } from '../../base/errors.ts';
import { closest } from '../../base/suggest.ts';
import { type AgentConfig, agentOptions } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { FeatureSpec } from './feature.ts';
import { FEATURES } from './table.ts';

const ALL = 'all';

/** Names of the features that a name alone can enable: others need more options. */
export function featureNames(): readonly string[] {
  return FEATURES.filter((spec) => switchOf(spec) !== undefined).map(({ name }) => name);
}

/**
 * The configuration with the named features enabled, besides those that it already enables; `all`
 * names every feature. Unknown names are refused.
 */
export function withFeatures<Config extends AgentConfig>(
  config: Config,
  names: readonly string[],
): Config {
  const known = featureNames();
  for (const name of names) {
    if (name === ALL || known.includes(name)) continue;
    const meant = closest(name, [...known, ALL]);
    const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
    throw new NetobservError(
      AGENT_ERRORS.option,
      `--features: there is no feature "${name}"${hint} There are ${[...known, ALL].join(', ')}`,
      { details: { variable: 'NETOBSERV_FEATURES', name } },
    );
  }
  const wanted = FEATURES.filter(
    (spec) => (names.includes(ALL) || names.includes(spec.name)) && !spec.isOn(config),
  );
  const switched = wanted.map(switchOf).filter((entry) => entry !== undefined);
  return { ...config, ...Object.fromEntries(switched) };
}

/** Key and value that enable it; numbers are modes, and 1 is the first. */
function switchOf({ variable }: FeatureSpec): readonly [string, true | 1] | undefined {
  const found = Object.entries(agentOptions).find(([, option]) => option.env === variable);
  if (found === undefined) return undefined;
  const [key, { type }] = found;
  if (type === 'boolean') return [key, true];
  return type === 'integer' ? [key, 1] : undefined;
}
