/** Readable units: SI steps of 1000, three significant digits, so that columns stay narrow. */
const SI_PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const;

export type RateUnit = 'bits' | 'bytes';

/** A smaller value would show as 0.00, which is wrong: one packet in five minutes, say. */
const SHOWN_MIN = 0.005;
/** Rounding errors of sums and differences below this are not quantities. */
const CRUMB = 1e-6;

interface Scaled {
  readonly number: string;
  readonly prefix: string;
}

function scale(value: number): Scaled {
  if (value >= CRUMB && value < SHOWN_MIN) return { number: '<0.01', prefix: '' };
  let rest = Math.abs(value) < SHOWN_MIN ? 0 : Math.abs(value);
  let step = 0;
  // 999.5 would be printed as 1000 of the smaller unit.
  while (rest >= 999.5 && step < SI_PREFIXES.length - 1) {
    rest /= 1000;
    step++;
  }
  const digits =
    rest >= 99.95 || (step === 0 && Number.isInteger(rest)) ? 0 : rest >= 9.995 ? 1 : 2;
  const number = `${value < 0 ? '-' : ''}${rest.toFixed(digits)}`;
  return { number, prefix: SI_PREFIXES[step]! };
}

/** `1.23 MB`. */
export function formatBytes(bytes: number): string {
  const { number, prefix } = scale(bytes);
  return `${number} ${prefix}B`;
}

/** `12.3 k`, `950`. */
export function formatCount(count: number): string {
  const { number, prefix } = scale(count);
  return prefix === '' ? number : `${number} ${prefix}`;
}

/** Bytes per second as `1.23 MB/s`, or as `9.84 Mbit/s`. */
export function formatByteRate(bytesPerSecond: number, unit: RateUnit): string {
  if (unit === 'bytes') return `${formatBytes(bytesPerSecond)}/s`;
  const { number, prefix } = scale(bytesPerSecond * 8);
  return `${number} ${prefix}bit/s`;
}

/** `1.2 kpps`, the notation of network operators. */
export function formatPacketRate(packetsPerSecond: number): string {
  const { number, prefix } = scale(packetsPerSecond);
  return `${number} ${prefix}pps`;
}

export function formatFlowRate(flowsPerSecond: number): string {
  const { number, prefix } = scale(flowsPerSecond);
  return `${number}${prefix === '' ? ' ' : ` ${prefix} `}flows/s`;
}

/** Every digit, with thin separators: `1 234 567`. */
export function formatExact(value: number): string {
  return exactFormat.format(value).replaceAll(',', '\u202f');
}

const exactFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 });

/** Change from an earlier value: `+12 %`; undefined when there is nothing to compare with. */
export function formatChange(now: number, before: number): string | undefined {
  if (before === 0) return undefined;
  const percent = ((now - before) / before) * 100;
  if (Math.abs(percent) < 0.5) return '±0 %';
  const sign = percent > 0 ? '+' : '−';
  const size = Math.abs(percent);
  return `${sign}${size >= 1000 ? '>999' : size.toFixed(0)} %`;
}
