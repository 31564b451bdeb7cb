import type { ConntrackOptions } from '../../options/extract/conntrack.ts';
import { outputNames } from './outputs.ts';

/** Reports a problem at an option, given by its path in the stage. */
type Report = (option: string, problem: string) => void;

const OWN_FIELDS = ['_RecordType', '_HashId', '_IsFirst'];

/** The groups of the key, and the references to them. */
export function checkKeys({ keyDefinition }: ConntrackOptions, report: Report): void {
  const { fieldGroups, hash } = keyDefinition;
  const names = fieldGroups.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    const option = `keyDefinition.fieldGroups[${index}].name`;
    report(option, `there is another group "${name}": names must be unique`);
  }
  for (const [index, { fields }] of fieldGroups.entries()) {
    for (const [place, field] of fields.entries()) {
      if (!OWN_FIELDS.includes(field)) continue;
      const option = `keyDefinition.fieldGroups[${index}].fields[${place}]`;
      report(option, `field ${field} is made by this stage, so it cannot be in the key`);
    }
  }
  const { fieldGroupRefs, fieldGroupARef: a, fieldGroupBRef: b } = hash;
  const checkRef = (option: string, name: string): void => {
    if (names.includes(name)) return;
    const known = `the groups are ${names.join(', ')}`;
    report(`keyDefinition.hash.${option}`, `there is no group "${name}": ${known}`);
  };
  for (const [index, name] of fieldGroupRefs.entries()) checkRef(`fieldGroupRefs[${index}]`, name);
  if (a !== '') checkRef('fieldGroupARef', a);
  if (b !== '') checkRef('fieldGroupBRef', b);
  if ((a === '') !== (b === '')) {
    const [given, missing] = a === '' ? ['B', 'A'] : ['A', 'B'];
    const problem = `fieldGroup${given}Ref is there, so fieldGroup${missing}Ref is needed, too`;
    report('keyDefinition.hash', problem);
  }
  if (a === '' && b === '' && fieldGroupRefs.length === 0) {
    report('keyDefinition.hash', 'names no group: all flows would be one connection');
  }
  const fieldsOf = (group: string) => fieldGroups.find(({ name }) => name === group)?.fields;
  const [ofA, ofB] = [fieldsOf(a)?.length, fieldsOf(b)?.length];
  if (ofA === undefined || ofB === undefined || ofA === ofB) return;
  const problem = `group ${a} has ${ofA} fields, but ${b} has ${ofB}: they must correspond`;
  report('keyDefinition.hash', problem);
}

export function checkOutputs(options: ConntrackOptions, report: Report): void {
  const { fieldGroups, hash } = options.keyDefinition;
  const taken = new Map<string, string>(OWN_FIELDS.map((name) => [name, 'made by this stage']));
  for (const { fields } of fieldGroups) {
    for (const field of fields) taken.set(field, 'a key field');
  }
  for (const [index, field] of options.outputFields.entries()) {
    const option = `outputFields[${index}]`;
    const isValue = field.operation === 'first' || field.operation === 'last';
    if (field.splitAB && isValue) {
      report(`${option}.splitAB`, `${field.operation} cannot be split: use sum, count, min or max`);
    } else if (field.splitAB && !hasSides(hash)) {
      report(`${option}.splitAB`, NEEDS_SIDES);
    }
    for (const name of outputNames(field)) {
      const other = taken.get(name);
      if (other !== undefined) {
        report(`${option}.name`, `field ${name} is ${other}: choose another name`);
      } else taken.set(name, `the result of ${option}`);
    }
  }
}

const NEEDS_SIDES = 'needs fieldGroupARef and fieldGroupBRef in keyDefinition.hash';

function hasSides(hash: ConntrackOptions['keyDefinition']['hash']): boolean {
  return hash.fieldGroupARef !== '' && hash.fieldGroupBRef !== '';
}

export function checkScheduling({ keyDefinition, scheduling }: ConntrackOptions, report: Report) {
  const keys = new Set(keyDefinition.fieldGroups.flatMap(({ fields }) => fields));
  const last = scheduling.length - 1;
  for (const [index, { selector }] of scheduling.entries()) {
    const fields = Object.keys(selector);
    const option = `scheduling[${index}].selector`;
    for (const field of fields) {
      if (!keys.has(field)) report(`${option}.${field}`, `field ${field} is not a key field`);
    }
    if (fields.length === 0 && index < last) {
      report(option, 'is empty, so the groups after it would have no connections: put it last');
    } else if (fields.length > 0 && index === last) {
      report(option, 'the last selector must be empty, for all other connections');
    }
  }
}

export function checkTcpFlags({ keyDefinition, tcpFlags }: ConntrackOptions, report: Report): void {
  const { fieldName, detectEndConnection, swapAB } = tcpFlags;
  if (fieldName === '' && (detectEndConnection || swapAB)) {
    report('tcpFlags.fieldName', 'is needed for detectEndConnection and swapAB');
  }
  if (swapAB && !hasSides(keyDefinition.hash)) report('tcpFlags.swapAB', NEEDS_SIDES);
}
