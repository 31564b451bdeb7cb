import { formatAddress, parseAddress } from '../../../../src/base/ip.ts';
import type { Row } from './rows.ts';

/**
 * The meaning of each stage type, row by row over plain objects: slow, obvious, and independent of
 * the engine's columns. A stage maps a row to a row, or to nothing.
 */
export type RowStage = (row: Row) => Row | undefined;

interface NetworkOptions {
  readonly rules: readonly Record<string, unknown>[];
  readonly subnetLabels?: readonly { readonly name: string; readonly cidrs: readonly string[] }[];
  readonly directionInfo?: Readonly<Record<string, string>>;
}

export interface Files {
  readonly services: string;
  readonly protocols: string;
}

type InOut = { readonly input: string; readonly output: string };

export function networkStage(options: NetworkOptions, files: Files): RowStage {
  const steps = options.rules.map((rule): ((row: Row) => Row) => {
    switch (rule.type) {
      case 'add_subnet_label': {
        const { input, output } = rule.add_subnet_label as InOut;
        return (row) => set(row, output, subnetLabel(options, row[input]));
      }
      case 'add_service': {
        const { input, output, protocol } = rule.add_service as InOut & { protocol: string };
        return (row) => set(row, output, service(files, row[protocol], row[input]));
      }
      case 'decode_tcp_flags': {
        const { input, output } = rule.decode_tcp_flags as InOut;
        return (row) => (input === output ? row : withFlags(row, input, output));
      }
      case 'add_subnet': {
        const { input, output, subnet_mask } = rule.add_subnet as InOut & { subnet_mask?: string };
        return (row) => set(row, output, subnetText(row[input], subnet_mask ?? '/24'));
      }
      case 'reinterpret_direction':
        return (row) => direction(row, options.directionInfo ?? {});
      default:
        throw new Error(`the interpreter knows no rule ${String(rule.type)}`);
    }
  });
  return (row) => steps.reduce((current, step) => step(current), row);
}

function set(row: Row, field: string, value: unknown): Row {
  return value === undefined ? row : { ...row, [field]: value };
}

function bitsOf(address: string): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new Error(`no address: ${address}`);
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

function subnetLabel(options: NetworkOptions, address: unknown): string | undefined {
  if (typeof address !== 'string') return undefined;
  const bits = bitsOf(address);
  let best: string | undefined;
  let bestLength = -1;
  for (const { name, cidrs } of options.subnetLabels ?? []) {
    for (const cidr of cidrs) {
      const [base, digits] = cidr.split('/') as [string, string];
      const length = Number(digits) + (base.includes(':') ? 0 : 96);
      const matches = bitsOf(base).slice(0, length) === bits.slice(0, length);
      if (matches && length > bestLength) {
        best = name;
        bestLength = length;
      }
    }
  }
  return best === '' ? undefined : best;
}

function subnetText(address: unknown, mask: string): string | undefined {
  if (typeof address !== 'string') return undefined;
  const v4 = !address.includes(':');
  const length = Number(mask.slice(1)) + (v4 ? 96 : 0);
  if (length > 128) return undefined;
  const bits = bitsOf(address).slice(0, length).padEnd(128, '0');
  const bytes = Uint8Array.from({ length: 16 }, (_, index) =>
    Number.parseInt(bits.slice(index * 8, index * 8 + 8), 2),
  );
  return formatAddress(bytes) + mask;
}

function entries(text: string): string[][] {
  return text.split('\n').flatMap((line) => {
    const words = line
      .split('#')[0]!
      .split(/\s+/)
      .filter((word) => word !== '');
    return words.length === 0 ? [] : [words];
  });
}

function service(files: Files, protocol: unknown, port: unknown): string | undefined {
  if (protocol === undefined || port === undefined) return undefined;
  const known = entries(files.protocols).find(([, number]) => Number(number) === protocol);
  for (const [name, place] of entries(files.services)) {
    const [portText, protocolName] = place!.split('/');
    if (Number(portText) !== port) continue;
    if (known === undefined || protocolName === known[0]) return name;
  }
  return undefined;
}

const FLAGS = [
  'FIN',
  'SYN',
  'RST',
  'PSH',
  'ACK',
  'URG',
  'ECE',
  'CWR',
  'SYN_ACK',
  'FIN_ACK',
  'RST_ACK',
];

/** The output is the list of names, or absent: the earlier value is removed. */
function withFlags(row: Row, input: string, output: string): Row {
  const { [output]: _old, ...rest } = row;
  const value = Number(row[input] ?? 0);
  const names = FLAGS.filter((_name, bit) => Math.floor(value / 2 ** bit) % 2 === 1);
  return names.length === 0 ? rest : { ...rest, [output]: names };
}

function direction(row: Row, info: Readonly<Record<string, string>>): Row {
  const field = (option: string): unknown => row[info[option] ?? ''];
  const old = field('flowDirectionField');
  const kept = info.ifDirectionField === undefined ? row : set(row, info.ifDirectionField, old);
  const reporter = field('reporterIPField') ?? '';
  const source = field('srcHostField') ?? '';
  const target = field('dstHostField') ?? '';
  const flowDirection = info.flowDirectionField!;
  if (reporter === '') return kept;
  if (source === target) return source === '' ? kept : { ...kept, [flowDirection]: 2 };
  if (reporter === source) return { ...kept, [flowDirection]: 1 };
  if (reporter === target) return { ...kept, [flowDirection]: 0 };
  return kept;
}

interface GenericOptions {
  readonly policy?: string;
  readonly rules: readonly (InOut & { readonly multiplier?: number })[];
}

export function genericStage({ policy, rules }: GenericOptions): RowStage {
  return (row) => {
    const result: Record<string, unknown> = policy === 'replace_keys' ? {} : { ...row };
    for (const { input, output, multiplier = 0 } of rules) {
      const value = row[input];
      if (value === undefined) continue;
      if (multiplier === 0) result[output] = value;
      else if (typeof value === 'number') result[output] = value * multiplier;
    }
    return result;
  };
}
