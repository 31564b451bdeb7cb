import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { formatListen } from '../base/listen.ts';
import type { OpenConnections } from './connections.ts';
import type { Metrics } from './metrics.ts';

/** OpenSSL's error for "GET ", "POST ", "HEAD " and "PUT " in place of a handshake. */
const HTTP_REQUEST = 'ERR_SSL_HTTP_REQUEST';

/**
 * Answers clients that connect without TLS, such as a person who types `http://`, with an
 * explanation: otherwise the connection would only break, and the browser would show an empty page.
 *
 * OpenSSL has read the request and keeps it, so the requested host is unknown, and no redirect can
 * name it. Node destroys the connection after this, even if data is still to be sent or read; the
 * answer has fewer bytes than any TCP window.
 */
export function answerPlainHttp(
  server: Server,
  connections: OpenConnections,
  onPlain: () => void,
): void {
  server.on('tlsClientError', (error: Error & { readonly code?: string }, wrapped: Socket) => {
    if (error.code !== HTTP_REQUEST) return;
    onPlain();
    // TLS has given up, but not the socket that it wraps.
    const socket = connections.below(wrapped);
    if (socket?.writable) socket.end(answerTo(socket));
  });
}

function answerTo({ localAddress = 'localhost', localPort = 443 }: Socket): string {
  const host = localAddress.replace(/^::ffff:(?=\d+\.)/, '');
  const body =
    'This port takes HTTPS only. Begin the address with https:// in place of http://, ' +
    `as in https://${formatListen({ host, port: localPort })}/\n`;
  return (
    'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nCache-Control: no-store\r\n' +
    'Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

export function createPlainHttpMetrics(metrics: Metrics) {
  return metrics.counter<'server'>(
    'http_plain_requests_total',
    'Requests without TLS to a port that takes HTTPS only; they get an answer that says so',
    ['server'],
  );
}
