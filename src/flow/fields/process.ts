import type { FieldSpec } from '../field.ts';

const shared = { producer: 'agent', feature: 'processes' } as const;
const GROUP = 'Process';

/** The process that owns the socket of the flow's local end; if both ends are local, the sender. */
export const processFields: readonly FieldSpec[] = [
  {
    ...shared,
    name: 'ProcessId',
    kind: 'u32',
    meaning: "Number of the process, in the host's numbering.",
    omitZero: true,
    proto: { path: 'process_id', numbers: [110] },
    ipfix: { name: 'processId', id: 279 },
    cardinality: 'avoid',
    otel: 'process.pid',
    column: {
      id: 'ProcessId',
      name: 'PID',
      group: GROUP,
      width: 5,
      renderer: 'text',
      tooltip: 'Number of the process.',
    },
    filter: {
      id: 'process_id',
      name: 'Process id',
      component: 'number',
      category: 'common',
      hint: 'Number of a process.',
      placeholder: '1234',
    },
  },
  text('ProcessName', 111, 'Command', 'process.command', 'careful', {
    meaning: 'Command of the process, up to 15 characters as the kernel keeps it.',
    placeholder: 'nginx',
    isShown: true,
  }),
  text('Cgroup', 112, 'Cgroup', 'process.cgroup', 'careful', {
    meaning: 'Control group of the process, as a path below the root of cgroup v2.',
    placeholder: '/system.slice/nginx.service',
  }),
  text('ContainerId', 113, 'Container Id', 'container.id', 'careful', {
    meaning: 'Identifier of the container of the process, from its control group.',
    placeholder: '4c01db0b339c',
  }),
  text('ContainerName', 195, 'Container Name', 'container.name', 'careful', {
    meaning: 'Name of that container, by the files of its runtime; in Kubernetes, with its pod.',
    placeholder: 'web',
  }),
  text('Workload', 196, 'Workload', 'process.workload', 'careful', {
    meaning:
      'Who the process belongs to: the container, by name or runtime and id; otherwise the service or scope of systemd.',
    placeholder: 'nginx.service',
    isShown: true,
    width: 15,
  }),
];

interface Shown {
  readonly meaning: string;
  readonly placeholder: string;
  /** A column that the table shows by default. */
  readonly isShown?: true;
  readonly width?: number;
}

function text(
  name: string,
  number: number,
  title: string,
  otel: string,
  cardinality: FieldSpec['cardinality'],
  { meaning, placeholder, isShown, width = 10 }: Shown,
): FieldSpec {
  const words = name.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  return {
    ...shared,
    name,
    kind: 'str',
    meaning,
    proto: { path: words, numbers: [number] },
    cardinality,
    otel,
    column: {
      ...{ id: name, name: title, group: GROUP, width },
      ...(isShown === undefined ? {} : { default: isShown }),
      ...{ renderer: 'text', tooltip: meaning },
    },
    filter: {
      id: words,
      name: title,
      component: 'autocomplete',
      category: 'common',
      hint: meaning,
      placeholder,
    },
  };
}
