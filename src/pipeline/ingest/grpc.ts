import { PBFLOW_FILE } from '../../codec/pbflow/proto-file.ts';
import { RecordDecoder } from '../../codec/pbflow/record-decoder.ts';
import { FIELDS } from '../../flow/fields.ts';
import { GrpcOptions } from '../options/ingest/grpc.ts';
import { type StageType, stageType } from '../stage.ts';
import { type GrpcProtocol, GrpcSource } from './grpc-source.ts';

const PBFLOW: GrpcProtocol = {
  file: PBFLOW_FILE,
  columns: FIELDS.filter(({ proto }) => proto !== undefined).map(({ name, kind }) => ({
    name,
    kind,
  })),
  isOpen: false,
  reader(layout, { counts }) {
    const decoder = new RecordDecoder(layout);
    return {
      open: (message) => decoder.open(message),
      next: (batch, nowMs) => decoder.next(batch, nowMs),
      count: (batch) => counts.ingested(batch.length),
    };
  },
};

/** Flows from agents, by gRPC. */
export const grpcIngest: StageType = stageType({
  section: 'ingest',
  type: 'grpc',
  schema: GrpcOptions,
  create: (options, context) => new GrpcSource(options, PBFLOW, context),
});
