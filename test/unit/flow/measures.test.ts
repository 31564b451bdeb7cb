import { expect, test } from 'vitest';
import { unitsPerSecond } from '../../../src/flow/field.ts';
import { fieldByName } from '../../../src/flow/fields.ts';
import {
  MEASURES,
  measureById,
  TRAFFIC_MEASURES,
  unitOfMeasure,
} from '../../../src/flow/measures.ts';

/** A group of the API that is not a field. */
const SERVICE_PORT = 'ServicePort';

test('ids and names of metrics are unique', () => {
  const ids = MEASURES.map(({ id }) => id);
  const names = MEASURES.flatMap(({ metrics = [] }) => metrics.map(({ name }) => name));
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(names).size).toBe(names.length);
});

test('an id that is also a field means that field', () => {
  for (const { id, field, having } of MEASURES) {
    if (fieldByName(id) === undefined) continue;
    expect(field, id).toBe(id);
    expect(having, id).toBeUndefined();
  }
});

test('measures name fields of the table', () => {
  for (const { id, field, having = [], panels = [], metrics = [] } of MEASURES) {
    const groups = panels.flatMap((panel) => ('by' in panel ? (panel.by ?? []) : []));
    const names = [...having, ...groups, ...metrics.flatMap(({ labels }) => labels)];
    if (field !== undefined) names.push(field);
    for (const name of names) {
      if (name !== SERVICE_PORT) expect(fieldByName(name), `${id}: ${name}`).toBeDefined();
    }
  }
});

test('fields that a feature fills are in measures of that feature', () => {
  for (const { id, feature, field, having = [] } of MEASURES) {
    for (const name of [...having, ...(field === undefined ? [] : [field])]) {
      const needed = fieldByName(name)?.feature;
      if (needed !== undefined) expect(needed, `${id}: ${name}`).toBe(feature);
    }
  }
});

test('labels of metrics have few values', () => {
  for (const { metrics = [] } of MEASURES) {
    for (const { name, labels } of metrics) {
      for (const label of labels) {
        expect(fieldByName(label)?.cardinality, `${name}: ${label}`).not.toBe('avoid');
      }
    }
  }
});

test('durations have lines, amounts have rates, and what no feature fills is split as chosen', () => {
  for (const measure of MEASURES) {
    const isDuration = unitsPerSecond(unitOfMeasure(measure)) !== undefined;
    for (const panel of measure.panels ?? []) {
      expect(panel.kind, measure.id).not.toBe(isDuration ? 'rate' : 'lines');
      if (measure.feature === undefined) expect(panel, measure.id).not.toHaveProperty('by');
      else if (panel.kind === 'rate') expect(panel.by, measure.id).toBeDefined();
    }
  }
});

test('texts are sentences where they stand alone', () => {
  for (const { id, meaning, empty } of MEASURES) {
    for (const text of [meaning, empty]) expect(text, id).toMatch(/^[A-Z].*\.$/);
  }
});

test('what every agent measures is bytes, packets and flows', () => {
  expect(TRAFFIC_MEASURES).toEqual(['Bytes', 'Packets', 'Flows']);
  expect(measureById('constructor')).toBeUndefined();
});
