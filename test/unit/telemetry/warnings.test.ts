import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logNodeWarnings } from '../../../src/telemetry/warnings.ts';

test('a warning of Node becomes a line of the log, and nothing else', () => {
  const lines: string[] = [];
  const written: Error[] = [];
  const source = new EventEmitter();
  source.on('warning', (warning: Error) => written.push(warning));
  logNodeWarnings(pino({ base: null }, { write: (line: string) => void lines.push(line) }), source);

  source.emit('warning', Object.assign(new Error('do not'), { name: 'Deprecation', code: 'DEP1' }));
  source.emit('warning', new Error('careful'));

  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 40, kind: 'Deprecation', code: 'DEP1', msg: 'do not' },
    { level: 40, kind: 'Error', msg: 'careful' },
  ]);
  expect(written).toEqual([]);
});
