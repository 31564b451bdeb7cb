import { assert } from '../base/assert.ts';
import { WIRE } from './wire.ts';
import { concat, field, numberField, textField } from './wire-writer.ts';

/**
 * A file of protobuf's language. A field is written as in the language, without its semicolon:
 * `repeated Record entries = 1`. `enum` before a type says that it is one; `oneof` and a name
 * before a field say that it is in that `oneof`. Types of other packages have their package.
 */
export interface ProtoFile {
  readonly name: string;
  readonly package: string;
  readonly imports?: readonly ProtoFile[];
  readonly messages: Readonly<Record<string, readonly string[]>>;
  readonly enums?: Readonly<Record<string, readonly string[]>>;
  /** Messages of two fields that are the entries of a map, by the message that they are in. */
  readonly mapEntries?: Readonly<Record<string, readonly [name: string, ...fields: string[]]>>;
  readonly service?: ProtoService;
}

export interface ProtoService {
  readonly name: string;
  readonly method: string;
  readonly input: string;
  readonly output: string;
}

const varint = (number: number): number => (number << 3) | WIRE.varint;
const bytes = (number: number): number => (number << 3) | WIRE.bytes;

/** Fields of the messages in `google/protobuf/descriptor.proto`. */
const FILE = { name: bytes(1), package: bytes(2), dependency: bytes(3), syntax: bytes(12) };
const FILE_PARTS = { message: bytes(4), enumeration: bytes(5), service: bytes(6) };
const MESSAGE = { name: bytes(1), field: bytes(2), nested: bytes(3), options: bytes(7) };
const ONE_OF = bytes(8);
const MAP_ENTRY = varint(7);
const FIELD = { name: bytes(1), number: varint(3), label: varint(4), type: varint(5) };
const FIELD_PARTS = { typeName: bytes(6), oneOf: varint(9) };
const ENUM = { name: bytes(1), value: bytes(2), number: varint(2) };
const SERVICE = { name: bytes(1), method: bytes(2) };
const METHOD = { name: bytes(1), input: bytes(2), output: bytes(3) };

/** `FieldDescriptorProto.Label` and `.Type`. */
const [OPTIONAL, REPEATED] = [1, 3];
const [TYPE_MESSAGE, TYPE_ENUM] = [11, 14];
const TYPES: Readonly<Record<string, number>> = {
  ...{ double: 1, float: 2, int64: 3, uint64: 4, int32: 5, fixed64: 6, fixed32: 7, bool: 8 },
  ...{ string: 9, bytes: 12, uint32: 13, sfixed64: 16 },
};

const FIELD_SYNTAX = new RegExp(
  String.raw`^(?:oneof (?<oneOf>\w+) )?(?<repeated>repeated )?(?<isEnum>enum )?` +
    String.raw`(?<type>[\w.]+) (?<name>\w+) = (?<number>\d+)$`,
);

/** A `FileDescriptorProto`. */
export function describeFile(file: ProtoFile): Uint8Array {
  const { imports = [], messages, enums = {}, service } = file;
  const parts = [
    textField(FILE.name, file.name),
    textField(FILE.package, file.package),
    ...imports.map(({ name }) => textField(FILE.dependency, name)),
    ...Object.entries(messages).map(([name, fields]) => {
      const entry = file.mapEntries?.[name];
      const nested = entry === undefined ? [] : [mapEntry(file, entry)];
      return field(FILE_PARTS.message, concat(messageOf(file, name, fields), ...nested));
    }),
    ...Object.entries(enums).map(([name, values]) =>
      field(FILE_PARTS.enumeration, enumOf(name, values)),
    ),
    ...(service === undefined ? [] : [field(FILE_PARTS.service, serviceOf(file, service))]),
    textField(FILE.syntax, 'proto3'),
  ];
  return concat(...parts);
}

function messageOf(file: ProtoFile, name: string, fields: readonly string[]): Uint8Array {
  const parsed = fields.map((text) => FIELD_SYNTAX.exec(text)!.groups!);
  const oneOfs = [...new Set(parsed.flatMap(({ oneOf }) => (oneOf === undefined ? [] : [oneOf])))];
  return concat(
    textField(MESSAGE.name, name),
    ...parsed.map((each) => field(MESSAGE.field, fieldOf(file, each, oneOfs))),
    ...oneOfs.map((oneOf) => field(ONE_OF, textField(MESSAGE.name, oneOf))),
  );
}

function fieldOf(
  file: ProtoFile,
  { oneOf, repeated, isEnum, type, name, number }: Readonly<Record<string, string | undefined>>,
  oneOfs: readonly string[],
): Uint8Array {
  const scalar = TYPES[type!];
  const made = isEnum === undefined ? TYPE_MESSAGE : TYPE_ENUM;
  return concat(
    textField(FIELD.name, name!),
    numberField(FIELD.number, Number(number)),
    numberField(FIELD.label, repeated === undefined ? OPTIONAL : REPEATED),
    numberField(FIELD.type, scalar ?? made),
    ...(scalar === undefined ? [textField(FIELD_PARTS.typeName, fullName(file, type!))] : []),
    ...(oneOf === undefined ? [] : [numberField(FIELD_PARTS.oneOf, oneOfs.indexOf(oneOf))]),
  );
}

function mapEntry(
  file: ProtoFile,
  [name, ...fields]: readonly [name: string, ...fields: string[]],
): Uint8Array {
  const options = field(MESSAGE.options, numberField(MAP_ENTRY, 1));
  return field(MESSAGE.nested, concat(messageOf(file, name, fields), options));
}

function enumOf(name: string, values: readonly string[]): Uint8Array {
  const entries = values.map((value, number) =>
    field(ENUM.value, concat(textField(ENUM.name, value), numberField(ENUM.number, number))),
  );
  return concat(textField(ENUM.name, name), ...entries);
}

function serviceOf(file: ProtoFile, { name, method, input, output }: ProtoService): Uint8Array {
  const only = concat(
    textField(METHOD.name, method),
    textField(METHOD.input, fullName(file, input)),
    textField(METHOD.output, fullName(file, output)),
  );
  return concat(textField(SERVICE.name, name), field(SERVICE.method, only));
}

/** With a dot before it, so that readers look for it nowhere else. */
function fullName(file: ProtoFile, type: string): string {
  const isOurs = !/^[a-z]/.test(type);
  return isOurs ? `.${file.package}.${type}` : `.${type}`;
}

/** The path of the service's method: `/package.Service/Method`. */
export function methodOf({ package: prefix, service, name }: ProtoFile): string {
  assert(service !== undefined, `${name} has a service`);
  return `/${prefix}.${service.name}/${service.method}`;
}

/** The file and all that it imports, each once, itself first. */
export function withImports(file: ProtoFile): readonly ProtoFile[] {
  const all = [file, ...(file.imports ?? []).flatMap(withImports)];
  return all.filter((each, index) => all.indexOf(each) === index);
}
