import { readGenericMap } from '../../codec/json/generic-map.ts';
import { GENERIC_MAP_FILE } from '../../codec/json/generic-map-file.ts';
import { FIELDS } from '../../flow/fields.ts';
import { GenericMapOptions } from '../options/ingest/genericmap.ts';
import { type StageType, stageType } from '../stage.ts';
import { type GrpcProtocol, GrpcSource } from './grpc-source.ts';
import { JsonFlows } from './json-flows.ts';

const GENERIC_MAP: GrpcProtocol = {
  file: GENERIC_MAP_FILE,
  columns: FIELDS.map(({ name, kind }) => ({ name, kind })),
  isOpen: true,
  reader(_layout, context) {
    const flows = new JsonFlows(context);
    let flow: Uint8Array = new Uint8Array(0);
    return {
      open(message) {
        flow = readGenericMap(message);
      },
      next: (batch) => !flows.add(batch, flow),
      count: (batch) => flows.count(batch),
    };
  },
};

/** Flows from a `write: grpc` of another pipeline, one in a call. */
export const genericMapIngest: StageType = stageType({
  section: 'ingest',
  type: 'genericmap',
  schema: GenericMapOptions,
  create: (options, context) => new GrpcSource(options, GENERIC_MAP, context),
});
