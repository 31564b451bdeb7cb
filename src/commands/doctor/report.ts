import { styleText } from 'node:util';
import type { Examination, FeatureExamination } from '../../agent/loader/examine.ts';
import type { Capability } from '../../agent/privileges.ts';
import type { HostFact } from './host-facts.ts';

export interface FeatureReport {
  readonly name: string;
  readonly variable: string;
  /** The configuration enables it. */
  readonly isOn: boolean;
  readonly state: FeatureExamination['state'];
  readonly ways: FeatureExamination['ways'];
  readonly without: string;
  readonly enabledBy: string;
  /** Capabilities that are not held. */
  readonly missing: readonly Capability[];
}

export interface DoctorReport {
  readonly version: string;
  readonly base: Pick<Examination, 'why' | 'mode' | 'knowsNamespaces'> & {
    readonly runs: boolean;
    readonly verifier: readonly string[];
  };
  readonly missing: readonly Capability[];
  readonly features: readonly FeatureReport[];
  readonly bpfBytes: number | undefined;
  readonly host: readonly HostFact[];
}

export interface Layout {
  readonly columns: number;
  readonly colour: boolean;
}

type Mark = 'ok' | 'no' | 'warn' | 'info';

const MARKS = {
  ok: ['✓', 'green'],
  no: ['✗', 'red'],
  warn: ['!', 'yellow'],
  info: ['·', 'dim'],
} as const;

const NAME_COLUMNS = 15;
const VARIABLE_COLUMNS = 39;
const INDENT = ' '.repeat(NAME_COLUMNS + 5);

/** The report for a person: one screen, one line for each check. */
export function reportText(report: DoctorReport, layout: Layout): string {
  const { features, host } = report;
  return [
    heading('Datapath', layout),
    ...baseLines(report, layout),
    '',
    heading('Features', layout),
    ...features.flatMap((feature) => featureLines(feature, layout)),
    '',
    heading('Host', layout),
    ...host.map(({ name, state, text }) => line(state, name, text, layout)),
    '',
  ].join('\n');
}

function baseLines({ base, missing, bpfBytes }: DoctorReport, layout: Layout): readonly string[] {
  if (base.why !== undefined) {
    const why = missing.length > 0 ? `not tried: it takes ${missing.join(', ')}` : base.why;
    const verifier = base.verifier.map((words) => more(`verifier: ${words}`, layout));
    return [
      line('no', 'capture', why, layout),
      ...verifier,
      more(adviceOf(missing, base.why), layout),
    ];
  }
  const names = base.knowsNamespaces ? 'exact in every namespace' : 'by index alone';
  const mode = base.mode === 'tcx' ? 'TCX' : 'TC (Linux 6.6 has TCX)';
  const memory =
    bpfBytes === undefined ? 'unknown' : `${(bpfBytes / 2 ** 20).toFixed(1)} MiB in the kernel`;
  return [
    line('ok', 'capture', `loads, and attaches by ${mode}; interface names are ${names}`, layout),
    line('info', 'memory', `${memory}, as configured`, layout),
  ];
}

function adviceOf(missing: readonly Capability[], why: string): string {
  if (missing.length > 0) {
    return 'run as root, or grant just these; then every feature below is tried, too';
  }
  return /\bE[MN]FILE\b/.test(why)
    ? 'see "open files" below: nothing is known of the kernel until there may be more of them'
    : 'Linux 5.12 (on arm64 5.18) or later with BTF and CONFIG_BPF_SYSCALL is needed';
}

function featureLines(feature: FeatureReport, layout: Layout): readonly string[] {
  const { name, variable, isOn, state, ways, enabledBy, missing } = feature;
  const which = (isOn ? `${variable} (on)` : variable).padEnd(VARIABLE_COLUMNS);
  if (state === 'untried') {
    const takes = [enabledBy, ...missing].join(', ');
    return [line('info', name, `${which}not tried; takes ${takes}`, layout)];
  }
  if (state === 'available') {
    const way = ways.find(({ why }) => why === undefined);
    const text = `${which}${way?.programs.join(', ') || 'in the hooks'}`;
    if (missing.length === 0) return [line('ok', name, text, layout)];
    return [line('warn', name, text, layout), more(`it also takes ${missing.join(', ')}`, layout)];
  }
  const refused = ways.find(({ why }) => why !== undefined);
  return [
    line('no', name, `${which}${refused?.why ?? ''}`, layout),
    ...(refused?.verifier ?? []).map((words) => more(`verifier: ${words}`, layout)),
    more(`needs ${[enabledBy, ...missing].join(', ')}`, layout),
  ];
}

function heading(text: string, { colour }: Layout): string {
  return colour ? styleText('bold', text, { validateStream: false }) : text;
}

function line(mark: Mark, name: string, text: string, layout: Layout): string {
  const [sign, style] = MARKS[mark];
  const shown = layout.colour ? styleText(style, sign, { validateStream: false }) : sign;
  // The sign's colour takes no columns, so the rest is clipped without it.
  return `  ${shown}${clip(` ${name.padEnd(NAME_COLUMNS)} ${text}`, layout.columns - 3)}`;
}

function more(text: string, layout: Layout): string {
  return clip(INDENT + text, layout.columns);
}

function clip(text: string, columns: number): string {
  const one = text.replaceAll(/\s*\n\s*/g, ' ').trimEnd();
  return one.length > columns ? `${one.slice(0, columns - 1)}…` : one;
}
