import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { explain, NetobservError } from '../../../base/errors.ts';
import { fileStamp } from '../../../telemetry/file-stamp.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext } from '../../stage.ts';
import { Ip2Location } from './ip2location.ts';

/** Time between two looks at the file, milliseconds. */
const LOOK_PERIOD_MS = 30_000;
/** City databases have some 150 MB. */
const FILE_BYTES_MAX = 1024 ** 3;
/** Stands near the end of a file in MaxMind's format. */
const MMDB_MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
const MMDB_END_BYTES = 128 * 1024;
const ZIP_MARKER = 'PK\x03\x04';

interface Reader {
  /** The record of an address; undefined or null: there is none. */
  get(address: string): unknown;
}

/**
 * Facts about networks, from a file in MaxMind's format (MMDB) or IP2Location's (BIN). The file is
 * read when the pipeline starts, and again when it changes; if the new one cannot be read, the old
 * facts stay in use.
 */
export class GeoDatabase {
  readonly #path: string;
  readonly #context: StageContext;
  #reader: Reader | undefined;
  #systemsPlace: string | undefined;
  #stamp = '';
  #lookedMs = 0;
  #loading: Promise<void> | undefined;
  #isReading = false;
  /** Counts the files that were read. */
  version = 0;

  /** `path` is empty for the database that the program brings along. Throws for a missing file. */
  constructor(path: string, context: StageContext, place: string) {
    this.#path = path;
    this.#context = context;
    if (path === '') {
      if (context.deps.countries !== undefined) return;
      throw configError(PIPELINE_ERRORS.option, place, 'a file is needed here');
    }
    try {
      this.#stamp = fileStamp(path);
    } catch (error) {
      throw configError(PIPELINE_ERRORS.option, place, `cannot read ${path}: ${explain(error)}`);
    }
  }

  /** Reads the file, once; rejects if it is not such a database. */
  load(): Promise<void> {
    this.#lookedMs = this.#context.deps.clock.monotonicMs();
    this.#loading ??= this.#read();
    return this.#loading;
  }

  /** Refuses files that have places alone, for the option at a path. */
  requireSystems(place: string): void {
    this.#systemsPlace = place;
  }

  /** The record of the network that an address is in; undefined: there is none. */
  find(address: string): unknown {
    return this.#reader?.get(address) ?? undefined;
  }

  /** Reads the file again if it has changed. Called before each batch. */
  look(): void {
    const { clock, log } = this.#context.deps;
    const nowMs = clock.monotonicMs();
    if (this.#path === '' || this.#isReading || nowMs - this.#lookedMs < LOOK_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    const fields = { component: 'pipeline', stage: this.#context.name, path: this.#path };
    let stamp: string;
    try {
      stamp = fileStamp(this.#path);
    } catch {
      // Some tools remove the file before they write the new one.
      return;
    }
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#isReading = true;
    void this.#read()
      .then(
        () => log.info(fields, 'the database was renewed'),
        (error: unknown) => {
          log.warn({ ...fields, error: explain(error) }, 'the new database cannot be used');
        },
      )
      .finally(() => {
        this.#isReading = false;
      });
  }

  async #read(): Promise<void> {
    const { buffer, byteOffset, length } =
      this.#path === '' ? this.#context.deps.countries!() : await fileOf(this.#path);
    const bytes = Buffer.from(buffer, byteOffset, length);
    let reader: Reader;
    try {
      reader = await readerOf(bytes);
    } catch (cause) {
      const isZip = bytes.toString('latin1', 0, ZIP_MARKER.length) === ZIP_MARKER;
      const problem = isZip
        ? `${this.#path} is a zip archive: unpack the database in it`
        : `${this.#path} is not a database in MaxMind’s format (MMDB) or IP2Location’s (BIN)`;
      throw new NetobservError(PIPELINE_ERRORS.geo, problem, { cause });
    }
    if (this.#systemsPlace !== undefined && reader instanceof Ip2Location) {
      const problem = 'is a database of IP2Location, which has places: name one in MMDB';
      throw configError(PIPELINE_ERRORS.geo, this.#systemsPlace, problem);
    }
    this.#reader = reader;
    this.version++;
  }
}

async function readerOf(bytes: Buffer): Promise<Reader> {
  if (!bytes.subarray(-MMDB_END_BYTES).includes(MMDB_MARKER)) return new Ip2Location(bytes);
  // Here and not at the top: few pipelines need it.
  const { Reader: Made } = await import('mmdb-lib');
  return new Made(bytes);
}

async function fileOf(path: string): Promise<Uint8Array> {
  const { size } = statSync(path);
  if (size <= FILE_BYTES_MAX) return readFile(path);
  const problem = `${path} has ${size} bytes, more than ${FILE_BYTES_MAX}`;
  throw new NetobservError(PIPELINE_ERRORS.geo, problem);
}
