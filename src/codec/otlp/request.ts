import { uintBytes, writeUint } from '../varint.ts';
import { concat, field, textField } from '../wire-writer.ts';
import { fixedAttributes } from './attributes.ts';
import { REQUEST, RESOURCE_ATTRIBUTES, SCOPE } from './schema.ts';

/** The parts of a request that are the same in each. */
export interface RequestFrame {
  /** Attributes of the resource. */
  readonly resource: Readonly<Record<string, string>>;
  /** Name of the instrumentation scope. */
  readonly scope: string;
}

/** Makes requests of entries: `ExportLogsServiceRequest`, `ExportTraceServiceRequest`. */
export class RequestWriter {
  readonly #resource: Uint8Array;
  readonly #scope: Uint8Array;

  constructor({ resource, scope }: RequestFrame) {
    this.#resource = field(REQUEST.resource, fixedAttributes(RESOURCE_ATTRIBUTES, resource));
    this.#scope = field(REQUEST.scope, textField(SCOPE.name, scope));
  }

  /** The request of the entries in `bytes[from .. to]`, in memory of its own. */
  write(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const scoped = this.#scope.length + to - from;
    const length = this.#resource.length + 1 + uintBytes(scoped) + scoped;
    return concat(
      head(REQUEST.resourceEntries, length),
      this.#resource,
      head(REQUEST.scopeEntries, scoped),
      this.#scope,
      bytes.subarray(from, to),
    );
  }
}

function head(tag: number, length: number): Uint8Array {
  const bytes = new Uint8Array(1 + uintBytes(length));
  bytes[0] = tag;
  writeUint(bytes, 1, length);
  return bytes;
}
