import { assert } from '../../base/assert.ts';
import type { AgentConfig } from '../config.ts';
import { type Exporter, OutletExporter } from './exporter.ts';
import type { CreateExport, ExporterDeps } from './outlet.ts';

/** The values of EXPORT that send flows away; `direct-flp` asks for a pipeline instead. */
type Exported = Exclude<AgentConfig['export'], 'direct-flp'>;

/** Exporters by the value of EXPORT. A protocol is loaded when it is used. */
const EXPORTS: Readonly<Record<Exported, () => Promise<CreateExport>>> = {
  grpc: async () => (await import('./grpc.ts')).grpcExport,
  kafka: async () => (await import('./kafka.ts')).kafkaExport,
  'ipfix+udp': async () => (await import('./ipfix.ts')).ipfixExport,
  'ipfix+tcp': async () => (await import('./ipfix.ts')).ipfixExport,
  stdout: async () => (await import('./stdout.ts')).stdoutExport,
};

/** The exporter that EXPORT selects; throws when a required option is missing. */
export async function createExporter(config: AgentConfig, deps: ExporterDeps): Promise<Exporter> {
  assert(config.export !== 'direct-flp', 'a pipeline is not an exporter');
  const create = await EXPORTS[config.export]();
  const { outlet, columns } = create(config, deps);
  return new OutletExporter(outlet, deps.tables, columns);
}
