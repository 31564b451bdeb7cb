import { snappyDecompress } from '@platformatic/wasm-utils/bundled';
import protobuf from 'protobufjs';

/** Prometheus remote write 1.0, for protobufjs, a third-party decoder. */
const REMOTE_WRITE = `
syntax = "proto3";
package remote;

message Request { repeated Series series = 1; }
message Series {
  repeated Label labels = 1; repeated Sample samples = 2; repeated Histogram histograms = 4;
}
message Label { string name = 1; string value = 2; }
message Sample { double value = 1; int64 timestamp = 2; }
message Histogram {
  uint64 count = 1; double sum = 3; sint32 schema = 4; double zero_threshold = 5;
  uint64 zero_count = 6; repeated Span positive_spans = 11; repeated sint64 positive_deltas = 12;
  int64 timestamp = 15;
}
message Span { sint32 offset = 1; uint32 length = 2; }
`;

const Request = protobuf.parse(REMOTE_WRITE).root.lookupType('remote.Request');

export interface SentHistogram {
  readonly count: number;
  readonly sum: number;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly positiveSpans: readonly { readonly offset: number; readonly length: number }[];
  readonly positiveDeltas: readonly number[];
  readonly timestamp: number;
}

export interface SentSeries {
  readonly labels: readonly { readonly name: string; readonly value: string }[];
  readonly samples: readonly { readonly value: number; readonly timestamp: number }[];
  readonly histograms: readonly SentHistogram[];
}

export function decodeWriteRequest(bytes: Uint8Array): readonly SentSeries[] {
  const request = Request.toObject(Request.decode(bytes), {
    longs: Number,
    defaults: true,
    arrays: true,
  });
  return (request as { series: SentSeries[] }).series;
}

/** The body of a request of HTTP. */
export function decodeCompressed(body: Buffer): readonly SentSeries[] {
  return decodeWriteRequest(snappyDecompress(body));
}

/** A series as `name{label="value"}`. */
export function seriesKey({ labels }: SentSeries): string {
  const name = labels.find((label) => label.name === '__name__')!.value;
  const others = labels.filter((label) => label.name !== '__name__');
  return `${name}{${others.map((label) => `${label.name}="${label.value}"`).join(',')}}`;
}
