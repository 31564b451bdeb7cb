import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorRow } from '../../base/errors.ts';
import type { ApiError } from '../api.ts';
import { ANSWERS, statusOf } from './errors.ts';
import type { ConsoleMetrics } from './metrics.ts';

const REASONS: Readonly<Record<string, readonly [ErrorRow, string]>> = {
  HPE_HEADER_OVERFLOW: [
    ANSWERS.headersTooLarge,
    'the address and headers of this request are too long: use fewer filters, or delete the ' +
      'cookies of this host',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    ANSWERS.requestTimeout,
    'the request did not arrive completely in time',
  ],
};

/** Answers what Node's parser refused, which never becomes a request, and closes the socket. */
export function refuseBrokenRequest(
  error: Error & { readonly code?: string },
  socket: Socket,
  metrics: ConsoleMetrics,
): void {
  // The client is gone, or an answer is already on its way: no other answer is possible.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  metrics.reject('malformed');
  const [row, message] = REASONS[error.code ?? ''] ?? [
    ANSWERS.badRequest,
    'this is not a valid HTTP request',
  ];
  const status = statusOf(row);
  const body = JSON.stringify({ code: row.code, message } satisfies ApiError);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
      'Content-Type: application/json; charset=utf-8\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
