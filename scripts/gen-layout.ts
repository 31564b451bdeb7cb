/** Writes src/agent/drain/layout.gen.ts: the layout of bpf/types.h for the agent's decoder. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Btf, enumValuesOf, openBtf, structOf } from '../src/agent/kernel/btf.ts';
import { readSection } from '../src/agent/kernel/elf.ts';
import { assertExists } from '../src/base/assert.ts';
import { buildBpf } from './build-bpf.ts';
import { ROOT } from './steps.ts';

const STRUCTS = [
  ...['flow_key', 'flow_metrics', 'observed_interface', 'stat_value', 'config', 'message'],
  ...['rtt_metrics', 'drop_metrics', 'dns_metrics', 'tls_metrics', 'quic_metrics', 'nat_metrics'],
  ...['tcp_metrics', 'process_metrics', 'tunnel_metrics', 'ipsec_metrics', 'event_metrics'],
  ...['openssl_metrics', 'openssl_totals', 'filter_metrics', 'filter_rule', 'port_range'],
  ...['captured_packet', 'dns_query'],
];
const ENUMS = [
  ...['stat', 'ifindex_seen', 'message_kind', 'message_room', 'dns_seen', 'tls_seen'],
  ...['tunnel_type', 'nat_state', 'event_fate', 'filter_condition', 'hook_fact'],
  'side_entries',
];

function camel(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function structText(btf: Btf, name: string): string {
  const { sizeBytes, fields } = assertExists(structOf(btf, name), `struct ${name} in the BTF`);
  const lines = fields
    .filter((field) => !field.name.startsWith('pad'))
    .map(({ name: field, offset, sizeBytes: bytes, count }) => {
      const elements = count !== undefined && bytes > count ? `, ${count} elements` : '';
      return `  ${camel(field)}: ${offset}, // ${bytes} B${elements}`;
    });
  const counts = fields
    .filter((field) => field.count !== undefined && field.sizeBytes > field.count)
    .map((field) => `  ${camel(field.name)}Max: ${field.count},`);
  return [
    `/** Byte offsets in \`struct ${name}\`. */`,
    `export const ${camel(name)} = {`,
    `  sizeBytes: ${sizeBytes},`,
    ...counts,
    ...lines,
    '} as const;',
  ].join('\n');
}

function enumText(btf: Btf, name: string): string {
  const prefix = `${name.replace(/_(kind|type|state|fate|condition|fact)$/, '').toUpperCase()}_`;
  const values = assertExists(enumValuesOf(btf, name), `enum ${name} in the BTF`);
  const lines = values.map((each) => `  ${camel(each.name.replace(prefix, ''))}: ${each.value},`);
  return [
    `/** \`enum ${name}\`. */`,
    `export const ${camel(name)} = {`,
    ...lines,
    '} as const;',
  ].join('\n');
}

export async function generateLayout(): Promise<{ path: string; text: string }> {
  buildBpf();
  const object = join(ROOT, 'build/bpf/layout.bpf.o');
  const section = assertExists(readSection(object, '.BTF'), `section .BTF in ${object}`);
  const btf = assertExists(openBtf(section), `BTF in ${object}`);
  const text = [
    '// Generated from the BTF of bpf/layout.bpf.c by scripts/gen-layout.ts; do not edit.',
    ...STRUCTS.map((name) => structText(btf, name)),
    ...ENUMS.map((name) => enumText(btf, name)),
  ].join('\n\n');
  return { path: join(ROOT, 'src/agent/drain/layout.gen.ts'), text: `${text}\n` };
}

if (import.meta.main) {
  const { path, text } = await generateLayout();
  writeFileSync(path, text);
}
