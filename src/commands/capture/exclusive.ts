import { createServer } from 'node:net';
import type { Component } from '../../base/component.ts';
import { hasCode, NetobservError } from '../../base/errors.ts';
import { CommandError } from '../errors.ts';

/**
 * Lets one capture run per network namespace.
 *
 * Hooks tell each other by a mark on the packet that it has been counted. A second capture would
 * take the first one's marks for its own and miss those packets. An abstract socket's name is held
 * by at most one process, and the kernel lets go of it however that process ends.
 */
export function exclusiveCapture(name = 'netobserv-capture'): Component {
  const server = createServer((socket) => socket.destroy());
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) => {
          reject(hasCode(cause, 'EADDRINUSE') ? alreadyRunning() : cause);
        });
        server.listen(`\0${name}`, () => {
          server.unref();
          resolve();
        });
      }),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function alreadyRunning(): NetobservError {
  return new NetobservError(
    CommandError.captureRunning,
    'another netobserv is capturing on this host, and two would miss each other’s packets',
    { details: { next: 'Stop it first.' } },
  );
}
