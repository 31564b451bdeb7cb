import { explain } from '../../../base/errors.ts';
import { type Cidr, parseCidr } from '../../../base/ip.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { ConfigProblems } from '../../problems.ts';
import { NetworkList } from './network-list.ts';

export interface SubnetLabel {
  readonly name: string;
  readonly cidrs?: readonly string[];
  /** File with further networks. Empty or absent: none. */
  readonly file?: string;
}

/** The networks of one label. */
export interface Labelled {
  readonly name: string;
  readonly own: readonly Cidr[];
  readonly list: NetworkList | undefined;
  listed: readonly Cidr[];
}

/** Labels with their networks; throws all problems at once. `place` is that of the list. */
export function labelled(labels: readonly SubnetLabel[], place: string): readonly Labelled[] {
  const problems = new ConfigProblems();
  const made = labels.map(({ name, cidrs = [], file = '' }, index): Labelled => {
    const at = `${place}[${index}]`;
    const own = cidrs.flatMap((text, position) => {
      const cidr = problems.attempt(() => checkedCidr(text, `${at}.cidrs[${position}]`));
      return cidr === undefined ? [] : [cidr];
    });
    const list = file === '' ? undefined : new NetworkList(file);
    const listed = list && problems.attempt(() => readList(list, file, `${at}.file`));
    return { name, own, list, listed: listed ?? [] };
  });
  problems.throwAll();
  return made;
}

function checkedCidr(text: string, place: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  const problem = `"${text}" is not a CIDR such as 10.0.0.0/8 or fd00::/8`;
  throw configError(PIPELINE_ERRORS.cidr, place, problem);
}

function readList(list: NetworkList, file: string, place: string): readonly Cidr[] {
  try {
    return list.read();
  } catch (cause) {
    const problem = `cannot use ${file}: ${explain(cause)}`;
    throw configError(PIPELINE_ERRORS.cidr, place, problem, cause);
  }
}
