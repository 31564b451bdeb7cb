import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type FunctionInput, type LocationInput, Profile, StringTable } from 'pprof-format';
import type { ProfileFrame, SampledProfile } from './profiler.ts';

const NS_PER_MS = 1e6;

/** A profile as `go tool pprof` reads it: google/pprof's protobuf, compressed by gzip. */
export function encodePprof(profile: SampledProfile, endMs: number): Promise<Uint8Array> {
  const { types, samples, period, durationMs } = profile;
  const stringTable = new StringTable();
  const frames = new Frames(stringTable);
  const sample = samples.map(({ stack, values }) => ({
    locationId: stack.map((frame) => frames.locationOf(frame)),
    value: [...values],
  }));
  const sampleType = types.map(([type, unit]) => ({
    type: stringTable.dedup(type),
    unit: stringTable.dedup(unit),
  }));
  const { locations, functions } = frames;
  const encoded = new Profile({
    sampleType,
    sample,
    location: locations,
    function: functions,
    stringTable,
    periodType: sampleType.at(-1)!,
    period,
    timeNanos: BigInt(Math.round(endMs - durationMs)) * BigInt(NS_PER_MS),
    durationNanos: Math.round(durationMs * NS_PER_MS),
  });
  return promisify(gzip)(encoded.encode());
}

/** Frames by id; ids are numbers from 1. */
class Frames {
  readonly locations: LocationInput[] = [];
  readonly functions: FunctionInput[] = [];
  readonly #strings: StringTable;
  readonly #ids = new Map<string, number>();

  constructor(strings: StringTable) {
    this.#strings = strings;
  }

  /** A function and its location have the same number: V8 reports where functions begin. */
  locationOf({ name, file, line }: ProfileFrame): number {
    const key = `${name}\0${file}\0${line}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.functions.length + 1;
    this.#ids.set(key, id);
    const [text, filename] = [this.#strings.dedup(name), this.#strings.dedup(file)];
    this.functions.push({ id, name: text, systemName: text, filename, startLine: line });
    this.locations.push({ id, line: [{ functionId: id, line }] });
    return id;
  }
}
