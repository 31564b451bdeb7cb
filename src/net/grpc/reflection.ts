import type { UntypedHandleCall } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { describeFile, type ProtoFile, withImports } from '../../codec/descriptor.ts';
import { WIRE, WIRE_MASK } from '../../codec/wire.ts';
import { WireReader } from '../../codec/wire-reader.ts';
import { concat, field, numberField, textField } from '../../codec/wire-writer.ts';
import { asBuffer } from './bytes.ts';

/** Names of messages and files are far shorter. */
const NAME_BYTES_MAX = 1024;
/** `google.rpc.Code`. */
const [INVALID_ARGUMENT, NOT_FOUND] = [3, 5];

export const REFLECTION_METHODS = ['v1', 'v1alpha'].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

const bytes = (number: number): number => (number << 3) | WIRE.bytes;

/** `ServerReflectionRequest`, and `ServerReflectionResponse`; the same in both versions. */
const REQUEST = { fileByName: bytes(3), fileOfSymbol: bytes(4), listServices: bytes(7) };
const ANSWER = { request: bytes(2), files: bytes(4), services: bytes(6), error: bytes(7) };
const FILE = bytes(1);
const SERVICE = { entry: bytes(1), name: bytes(1) };
const ERROR = { code: (1 << 3) | WIRE.varint, message: bytes(2) };

/** Answers questions about the service in a file and about what that file imports. */
export class Reflection {
  readonly #files: readonly ProtoFile[];

  constructor(file: ProtoFile) {
    this.#files = withImports(file);
  }

  /** A handler of a stream of requests. */
  handler(): UntypedHandleCall {
    const handle = (call: {
      on(event: 'data' | 'end', listener: (request: Buffer<ArrayBuffer>) => void): void;
      write(answer: Buffer): void;
      end(): void;
    }): void => {
      call.on('data', (request) => call.write(asBuffer(this.answer(request))));
      call.on('end', () => call.end());
    };
    return handle as unknown as UntypedHandleCall;
  }

  /** The answer to a request; what is damaged or unknown gets an error in its answer. */
  answer(request: Uint8Array<ArrayBuffer>): Uint8Array {
    return concat(field(ANSWER.request, request), this.#content(request));
  }

  #content(request: Uint8Array<ArrayBuffer>): Uint8Array {
    try {
      const { tag, name } = questionOf(request);
      if (tag === REQUEST.listServices) return this.#services();
      const isAsked =
        tag === REQUEST.fileByName
          ? (file: ProtoFile) => file.name === name
          : (file: ProtoFile) => symbolsOf(file).includes(name);
      const found = this.#files.find(isAsked);
      if (found === undefined) return failure(NOT_FOUND, `"${name}" is not here`);
      const files = withImports(found).map((file) => field(FILE, describeFile(file)));
      return field(ANSWER.files, concat(...files));
    } catch (error) {
      if (error instanceof NetobservError) return failure(INVALID_ARGUMENT, error.message);
      throw error;
    }
  }

  #services(): Uint8Array {
    const entries = this.#files.flatMap(({ package: prefix, service }) => {
      if (service === undefined) return [];
      return [field(SERVICE.entry, textField(SERVICE.name, `${prefix}.${service.name}`))];
    });
    return field(ANSWER.services, concat(...entries));
  }
}

function questionOf(request: Uint8Array<ArrayBuffer>): { tag: number; name: string } {
  const reader = new WireReader(NAME_BYTES_MAX);
  reader.reset(request, 0, request.length);
  let found = { tag: 0, name: '' };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (Object.values(REQUEST).includes(tag)) found = { tag, name: reader.text() };
    else reader.skip(tag & WIRE_MASK);
  }
  return found;
}

function symbolsOf({ package: prefix, messages, enums = {}, service }: ProtoFile): string[] {
  const names = [...Object.keys(messages), ...Object.keys(enums)];
  if (service !== undefined) names.push(service.name, `${service.name}.${service.method}`);
  return names.map((name) => `${prefix}.${name}`);
}

function failure(code: number, message: string): Uint8Array {
  const content = concat(numberField(ERROR.code, code), textField(ERROR.message, message));
  return field(ANSWER.error, content);
}
