import { kafkaEncode } from './encode/kafka.ts';
import { noneEncode } from './encode/none.ts';
import { otlpLogsEncode, otlpTracesEncode } from './encode/otlp/flows.ts';
import { otlpMetricsEncode } from './encode/otlp/metrics.ts';
import { promEncode } from './encode/prom/prom.ts';
import { s3Encode } from './encode/s3.ts';
import { aggregatesExtract } from './extract/aggregates.ts';
import { conntrackExtract } from './extract/conntrack/conntrack.ts';
import { matrixExtract } from './extract/matrix.ts';
import { noneExtract } from './extract/none.ts';
import { timebasedExtract } from './extract/timebased.ts';
import { datagramsIngest } from './ingest/datagram-inlet.ts';
import { fileChunksIngest, fileIngest, fileLoopIngest } from './ingest/file.ts';
import { genericMapIngest } from './ingest/genericmap.ts';
import { grpcIngest } from './ingest/grpc.ts';
import { collectorIngest, ipfixIngest } from './ingest/ipfix.ts';
import { kafkaIngest } from './ingest/kafka.ts';
import { otlpLogsIngest } from './ingest/otlplogs.ts';
import { presetIngest } from './ingest/preset.ts';
import { sflowIngest } from './ingest/sflow.ts';
import { stdinIngest } from './ingest/stdin.ts';
import { syntheticIngest } from './ingest/synthetic.ts';
import type { StageType } from './stage.ts';
import { filterTransform } from './transform/filter/filter.ts';
import { genericTransform } from './transform/generic.ts';
import { networkTransform } from './transform/network/network.ts';
import { noneTransform } from './transform/none.ts';
import { grpcWrite } from './write/grpc.ts';
import { ipfixWrite } from './write/ipfix.ts';
import { noneWrite } from './write/none.ts';
import { stdoutWrite } from './write/stdout.ts';
import { storeWrite } from './write/store.ts';

/** All stage types: the configuration's schema is derived from this table. */
export const STAGE_TYPES: readonly StageType[] = [
  presetIngest,
  grpcIngest,
  genericMapIngest,
  ipfixIngest,
  collectorIngest,
  sflowIngest,
  datagramsIngest,
  otlpLogsIngest,
  kafkaIngest,
  fileIngest,
  fileChunksIngest,
  fileLoopIngest,
  stdinIngest,
  syntheticIngest,
  networkTransform,
  filterTransform,
  genericTransform,
  noneTransform,
  conntrackExtract,
  aggregatesExtract,
  timebasedExtract,
  matrixExtract,
  noneExtract,
  promEncode,
  kafkaEncode,
  otlpLogsEncode,
  otlpMetricsEncode,
  otlpTracesEncode,
  s3Encode,
  noneEncode,
  noneWrite,
  grpcWrite,
  ipfixWrite,
  stdoutWrite,
  storeWrite,
];
