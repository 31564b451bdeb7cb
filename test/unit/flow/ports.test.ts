import { expect, test } from 'vitest';
import { portOfService, serviceOfPort, WELL_KNOWN_PORTS } from '../../../src/flow/ports.ts';

test('every port has one row, and every name one port', () => {
  const ports = WELL_KNOWN_PORTS.map(({ port }) => port);
  expect(ports).toEqual([...new Set(ports)].sort((a, b) => a - b));
  for (const { port, name, registered, aliases = [] } of WELL_KNOWN_PORTS) {
    expect(serviceOfPort(port)).toBe(name);
    for (const each of [name, registered ?? name, ...aliases]) {
      expect(each).toMatch(/^[a-z0-9-]+$/);
      expect(portOfService(each)).toBe(port);
    }
  }
});

test.each([
  ['https', 443],
  ['HTTPS', 443],
  ['dns', 53],
  ['domain', 53],
  ['dhcp', 67],
  ['postgresql', 5432],
  ['kubernetes', 6443],
  ['no such service', undefined],
  ['constructor', undefined],
  ['443', undefined],
  ['', undefined],
])('the port of %s', (name, port) => {
  expect(portOfService(name)).toBe(port);
});

test('other ports have no name', () => {
  expect(serviceOfPort(0)).toBeUndefined();
  expect(serviceOfPort(65_535)).toBeUndefined();
});
