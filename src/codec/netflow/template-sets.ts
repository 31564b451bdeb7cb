import { assert } from '../../base/assert.ts';
import type { ErrorRow } from '../../base/errors.ts';
import type { BatchLayout } from '../../flow/batch.ts';
import { type ReadTable, SAMPLER_IDS, SYSTEM_INIT_ID } from './elements-read.ts';
import { NETFLOW_ERRORS } from './errors.ts';
import { interfacePlaces } from './interface-names.ts';
import { type Place, planOf, ratePlaces, type TemplateField } from './plan.ts';
import { TEMPLATE_FIELDS_MAX } from './records.ts';
import type { Domain, Domains, OptionsPlan, Template } from './templates.ts';

/** The numbers of the sets of templates, which are also those of their withdrawals. */
export const SETS = {
  9: { templates: 0, options: 1 },
  10: { templates: 2, options: 3 },
} as const;

export type TemplateVersion = keyof typeof SETS;

/** Numbers below are those of sets. */
export const DATA_SET_MIN = 256;

const ENTERPRISE_BIT = 0x8000;
/** Elements and lengths of scopes mean nothing as elements of IANA in NetFlow 9. */
const SCOPE_ENTERPRISE = -1;

/** Reads the sets of templates of datagrams into the tables of their domain. */
export class TemplateSets {
  readonly #domains: Domains;
  readonly #layout: BatchLayout;
  readonly #table: ReadTable;

  constructor(domains: Domains, layout: BatchLayout, table: ReadTable) {
    this.#domains = domains;
    this.#layout = layout;
    this.#table = table;
  }

  /** Reads the set in `[at, end)`; returns the error that ends it. */
  read(
    view: DataView,
    at: number,
    end: number,
    set: { readonly version: TemplateVersion; readonly isOptions: boolean },
    domain: Domain,
    nowMs: number,
  ): ErrorRow | undefined {
    const { version, isOptions } = set;
    let problem: ErrorRow | undefined;
    let next = at;
    // Fewer octets behind the last template are padding.
    while (end - next >= 4) {
      const id = view.getUint16(next);
      const count = view.getUint16(next + 2);
      if (version === 10 && count === 0) {
        this.#withdraw(domain, id);
        next += 4;
        continue;
      }
      if (end - next < headBytes(isOptions)) return id === 0 ? problem : NETFLOW_ERRORS.truncated;
      // Padding of NetFlow 9 may be as long as a head.
      if (version === 9 && id === 0 && count === 0) return problem;
      const head = isOptions ? optionsHead(view, next, version) : { fields: count, scopes: 0 };
      const read = fieldsOf(view, next + headBytes(isOptions), end, head, version);
      if ('code' in read) return read;
      // With the head, since the number of scopes counts as well.
      const octets = octetsOf(view, next, read.end);
      next = read.end;
      problem = this.#keep(domain, id, octets, read.fields, isOptions, nowMs) ?? problem;
    }
    return problem;
  }

  #keep(
    domain: Domain,
    id: number,
    octets: Uint8Array,
    fields: readonly TemplateField[],
    isOptions: boolean,
    nowMs: number,
  ): ErrorRow | undefined {
    const known = domain.templates.get(id);
    if (known !== undefined && isSame(known, octets, isOptions)) {
      known.seenMs = nowMs;
      return undefined;
    }
    if (known !== undefined) this.#domains.remove(domain, id);
    const hasOctets = fields.some(({ length }) => length > 0);
    if (id < DATA_SET_MIN || !hasOctets) return NETFLOW_ERRORS.template;
    if (!this.#domains.hasRoom(domain, fields.length)) return NETFLOW_ERRORS.limit;
    this.#domains.add(domain, id, {
      octets: octets.slice(),
      fields: fields.length,
      seenMs: nowMs,
      ...this.#plans(fields, isOptions),
    });
    return undefined;
  }

  /** Compiles what a domain has anew: its templates were compiled for other columns. */
  recompile({ templates }: Domain, version: TemplateVersion): void {
    for (const [id, template] of templates) {
      const { octets, options } = template;
      const isOptions = options !== undefined;
      const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
      const head = isOptions
        ? optionsHead(view, 0, version)
        : { fields: view.getUint16(2), scopes: 0 };
      const read = fieldsOf(view, headBytes(isOptions), octets.length, head, version);
      assert(!('code' in read), 'the octets of a template that was kept are whole');
      templates.set(id, { ...template, ...this.#plans(read.fields, isOptions) });
    }
  }

  #plans(
    fields: readonly TemplateField[],
    isOptions: boolean,
  ): Pick<Template, 'flows' | 'options'> {
    if (isOptions) return { flows: undefined, options: this.#optionsPlan(fields) };
    return { flows: planOf(fields, this.#layout, this.#table), options: undefined };
  }

  #optionsPlan(fields: readonly TemplateField[]): OptionsPlan {
    const layout = planOf(fields, this.#layout, this.#table);
    const all: (Place & TemplateField)[] = [];
    let octets = 0;
    for (const [index, { enterprise, id, length }] of fields.entries()) {
      const at = layout.isVariable ? index : octets;
      octets += length;
      all.push({ enterprise, at, length, id });
    }
    const placed = all.filter(({ enterprise }) => enterprise === 0);
    return {
      layout,
      rates: ratePlaces(placed),
      sampler: placed.find(({ id }) => SAMPLER_IDS.has(id)),
      systemInit: placed.find(({ id }) => id === SYSTEM_INIT_ID),
      interfaces: interfacePlaces(all, SCOPE_ENTERPRISE),
    };
  }

  /** RFC 7011, section 8.1: the number of a template, or of the kind of set. */
  #withdraw(domain: Domain, id: number): void {
    if (id === SETS[10].templates) this.#domains.removeAll(domain, 'flows');
    else if (id === SETS[10].options) this.#domains.removeAll(domain, 'options');
    else this.#domains.remove(domain, id);
  }
}

/** Bytes of the head of a template. */
function headBytes(isOptions: boolean): number {
  return isOptions ? 6 : 4;
}

interface Head {
  readonly fields: number;
  /** The first fields are scopes. */
  readonly scopes: number;
}

function optionsHead(view: DataView, at: number, version: TemplateVersion): Head {
  const second = view.getUint16(at + 2);
  const third = view.getUint16(at + 4);
  // IPFIX counts all fields and the scopes; NetFlow 9 has the octets of both kinds of fields.
  if (version === 10) return { fields: second, scopes: third };
  if ((second | third) & 3) return { fields: 0, scopes: 0 };
  return { fields: (second + third) >> 2, scopes: second >> 2 };
}

function fieldsOf(
  view: DataView,
  start: number,
  end: number,
  { fields: count, scopes }: Head,
  version: TemplateVersion,
): { readonly fields: readonly TemplateField[]; readonly end: number } | ErrorRow {
  if (count === 0 || count > TEMPLATE_FIELDS_MAX) return NETFLOW_ERRORS.template;
  const fields: TemplateField[] = [];
  let at = start;
  for (let index = 0; index < count; index++) {
    if (end - at < 4) return NETFLOW_ERRORS.truncated;
    const id = view.getUint16(at);
    const length = view.getUint16(at + 2);
    at += 4;
    if (version === 9) {
      fields.push({ enterprise: index < scopes ? SCOPE_ENTERPRISE : 0, id, length });
    } else if ((id & ENTERPRISE_BIT) === 0) {
      fields.push({ enterprise: 0, id, length });
    } else {
      if (end - at < 4) return NETFLOW_ERRORS.truncated;
      const enterprise = view.getUint32(at);
      fields.push({ enterprise, id: id & ~ENTERPRISE_BIT, length });
      at += 4;
    }
  }
  return { fields, end: at };
}

function octetsOf(view: DataView, from: number, to: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + from, to - from);
}

function isSame({ octets, options }: Template, other: Uint8Array, isOptions: boolean): boolean {
  if ((options !== undefined) !== isOptions || octets.length !== other.length) return false;
  for (let at = 0; at < octets.length; at++) if (octets[at] !== other[at]) return false;
  return true;
}
