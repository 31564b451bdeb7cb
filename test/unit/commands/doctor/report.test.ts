import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import {
  type DoctorReport,
  type FeatureReport,
  reportText,
} from '../../../../src/commands/doctor/report.ts';

const PLAIN = { columns: 100, colour: false } as const;

const RTT: FeatureReport = {
  name: 'rtt',
  variable: 'ENABLE_RTT',
  isOn: true,
  state: 'available',
  ways: [
    { programs: ['by_fentry'], why: 'EPERM' },
    { programs: ['by_tracepoint'], why: undefined },
  ],
  without: 'flows have no TimeFlowRttNs',
  enabledBy: 'a tracepoint',
  missing: [],
};

const WELL: DoctorReport = {
  version: '0.1.0',
  base: { runs: true, why: undefined, verifier: [], mode: 'tcx', knowsNamespaces: true },
  missing: [],
  features: [RTT],
  bpfBytes: 3 * 2 ** 20,
  host: [{ name: 'kernel', state: 'ok', text: '6.18 x64' }],
};

test('a host on which everything works', () => {
  expect(reportText(WELL, PLAIN)).toBe(
    [
      'Datapath',
      '  ✓ capture         loads, and attaches by TCX; interface names are exact in every namespace',
      '  · memory          3.0 MiB in the kernel, as configured',
      '',
      'Features',
      '  ✓ rtt             ENABLE_RTT (on)                        by_tracepoint',
      '',
      'Host',
      '  ✓ kernel          6.18 x64',
      '',
    ].join('\n'),
  );
});

test.each<[string, Partial<FeatureReport>, RegExp[]]>([
  [
    'no way works: the reason, and what it takes',
    { state: 'unavailable', ways: [{ programs: ['p'], why: 'load: EINVAL' }] },
    [/✗ rtt +ENABLE_RTT \(on\) +load: EINVAL/, /^ +needs a tracepoint$/m],
  ],
  [
    'the verifier refuses: its words',
    {
      state: 'unavailable',
      ways: [{ programs: ['p'], why: 'load: EACCES', verifier: ['R2 invalid zero-sized read'] }],
    },
    [/✗ rtt .*load: EACCES/, /^ +verifier: R2 invalid zero-sized read$/m],
  ],
  [
    'a capability is missing besides',
    { missing: ['CAP_SYSLOG'] },
    [/! rtt/, /^ +it also takes CAP_SYSLOG$/m],
  ],
  ['without probes', { ways: [{ programs: [], why: undefined }] }, [/✓ rtt .*in the hooks/]],
  ['not tried', { state: 'untried', isOn: false }, [/· rtt +ENABLE_RTT +not tried; takes a trace/]],
])('%s', (_why, changed, wanted) => {
  const text = reportText({ ...WELL, features: [{ ...RTT, ...changed }] }, PLAIN);
  for (const pattern of wanted) expect(text).toMatch(pattern);
});

test('without the rights it says which, and that nothing was tried', () => {
  const base = { ...WELL.base, runs: false, why: 'capabilities are missing' };
  const text = reportText({ ...WELL, base, missing: ['CAP_BPF', 'CAP_PERFMON'] }, PLAIN);
  expect(text).toMatch(/✗ capture +not tried: it takes CAP_BPF, CAP_PERFMON/);
  expect(text).toMatch(/run as root/);
});

test('too few open files are no reason to change the kernel', () => {
  const why = 'load BPF object: EMFILE: Too many open files';
  const text = reportText({ ...WELL, base: { ...WELL.base, runs: false, why } }, PLAIN);
  expect(text).toMatch(/✗ capture +load BPF object: EMFILE/);
  expect(text).toContain('see "open files" below');
  expect(text).not.toContain('Linux 5.12');
});

test('colour takes no room, and no line is longer than the terminal', () => {
  const why = 'a reason that goes on\nand on '.repeat(20);
  const broken = { ...RTT, state: 'unavailable', ways: [{ programs: ['p'], why }] } as const;
  const report = { ...WELL, features: [broken] };
  const coloured = reportText(report, { columns: 60, colour: true });
  expect(coloured).toContain('\x1b[');
  expect(stripVTControlCharacters(coloured)).toBe(
    reportText(report, { columns: 60, colour: false }),
  );
  const lengths = stripVTControlCharacters(coloured)
    .split('\n')
    .map((line) => line.length);
  expect(Math.max(...lengths)).toBe(60);
});
