import { NetobservError } from '../../base/errors.ts';
import { goRegExp } from '../../base/go-regexp.ts';
import { type Cidr, cidrContains, parseCidr } from '../../base/ip.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Link } from './link.ts';

/** Decides by name alone; a text describes the problem with the rule. */
export type NameRule = (name: string) => boolean;

/** An exact name, or `/regex/` as in Go. Returns the reason, a sentence, for any other text. */
export function parseNameRule(text: string): NameRule | string {
  const slashes = /^\/(.*)\/$/s.exec(text);
  if (slashes === null) return (name) => name === text;
  try {
    const pattern = goRegExp(slashes[1]!);
    return (name) => pattern.test(name);
  } catch (error) {
    return `"${text}" is not a regular expression: ${error instanceof Error ? error.message : ''}`;
  }
}

export interface InterfaceRules {
  /** Whether the interface should have hooks. */
  wants(link: Link): boolean;
  /** Addresses have to be known for `wants`. */
  readonly needsAddresses: boolean;
}

export interface RulesConfig {
  readonly interfaces: readonly string[];
  readonly excludeInterfaces: readonly string[];
  readonly interfaceIps: readonly string[];
}

/** `checkAgentConfig` has checked the texts; those that do not parse are left out here. */
export function compileRules(config: RulesConfig): InterfaceRules {
  const include = config.interfaces.map(parseNameRule).filter((rule) => typeof rule !== 'string');
  const exclude = config.excludeInterfaces
    .map(parseNameRule)
    .filter((rule) => typeof rule !== 'string');
  const cidrs = config.interfaceIps
    .map(parseCidr)
    .filter((cidr): cidr is Cidr => cidr !== undefined);

  return {
    needsAddresses: cidrs.length > 0,
    wants(link) {
      if (exclude.some((rule) => rule(link.name))) return false;
      if (cidrs.length > 0) {
        return link.addresses.some((bytes) => cidrs.some((cidr) => cidrContains(cidr, bytes)));
      }
      return include.length === 0 || include.some((rule) => rule(link.name));
    },
  };
}

/** Unknown names in INTERFACES. With `refuses`, it is an error if all are unknown. */
export function missingNames(
  interfaces: readonly string[],
  known: ReadonlySet<string>,
  refuses: boolean,
): readonly string[] {
  const names = interfaces.filter((text) => !/^\/.*\/$/s.test(text));
  const missing = names.filter((name) => !known.has(name));
  if (!refuses || missing.length === 0 || missing.length < interfaces.length) return missing;
  const there = [...known].sort().join(', ');
  throw new NetobservError(
    AGENT_ERRORS.option,
    `INTERFACES: there is no interface ${missing.join(', ')}; there are ${there}`,
    { details: { variable: 'INTERFACES', missing } },
  );
}
