import type { FlowBatch } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import type { ServiceNames } from './services-file.ts';

const PORTS = 65_536;
const PROTOCOLS = 256;

/**
 * Service names as string ids: an array over ports for each protocol that has services, made once
 * per generation of tables, so that a row costs two look-ups.
 */
class ServiceIds {
  readonly #names: ServiceNames;
  #tables: InternTables | undefined;
  #byProtocol: readonly (Uint32Array | undefined)[] = [];

  constructor(names: ServiceNames) {
    this.#names = names;
  }

  for(tables: InternTables): readonly (Uint32Array | undefined)[] {
    if (this.#tables === tables) return this.#byProtocol;
    this.#tables = tables;
    const { byProtocol, byPort, protocols } = this.#names;
    const anyProtocol = portIds(tables, byPort);
    this.#byProtocol = Array.from({ length: PROTOCOLS }, (_, protocol) => {
      if (!protocols.has(protocol)) return anyProtocol;
      const ports = byProtocol.get(protocol);
      return ports === undefined ? undefined : portIds(tables, ports);
    });
    return this.#byProtocol;
  }
}

function portIds(tables: InternTables, ports: ReadonlyMap<number, string>): Uint32Array {
  const ids = new Uint32Array(PORTS);
  for (const [port, name] of ports) ids[port] = tables.strings.intern(name);
  return ids;
}

/** Names the service of a port; a row without a known name keeps its value. */
export function addService(
  names: ServiceNames,
  rule: { readonly input: string; readonly output: string; readonly protocol: string },
  context: StageContext,
): Transform {
  const { input, output, protocol } = rule;
  requireKind(context, 'add_service.input', input, ['u16']);
  requireKind(context, 'add_service.protocol', protocol, ['u8']);
  const services = new ServiceIds(names);
  return {
    kind: 'transform',
    name: `add_service ${input}`,
    reads: [input, protocol, output],
    writes: [{ name: output, kind: 'str' }],
    apply(batch: FlowBatch) {
      if (!batch.has(input) || !batch.has(protocol)) return;
      nameServices(
        batch.length,
        services.for(batch.tables),
        batch.u16(input),
        batch.present(input),
        batch.u8(protocol),
        batch.present(protocol),
        batch.ids(output),
      );
    },
  };
}

function nameServices(
  length: number,
  services: readonly (Uint32Array | undefined)[],
  ports: Uint16Array,
  portPresent: Uint32Array,
  protocols: Uint8Array,
  protocolPresent: Uint32Array,
  output: Uint32Array,
): void {
  for (let row = 0; row < length; row++) {
    if (!hasBit(portPresent, row) || !hasBit(protocolPresent, row)) continue;
    const id = services[protocols[row]!]?.[ports[row]!] ?? MISSING;
    if (id !== MISSING) output[row] = id;
  }
}
