/** Scripts for `node -e`: TCP connections that stay open and echo their input. */

/** Echoes its input; prints `ready` when it listens. */
export const echoServer = (port: number): string => `
const server = require('node:net').createServer((socket) => socket.pipe(socket));
server.listen(${port}, () => console.log('ready'));
`;

/** Sends every line over each of its connections; prints `back` when all have come back. */
export const echoClient = (address: string, port: number, connections: number): string => `
const { connect } = require('node:net');
const sockets = Array.from({ length: ${connections} }, () => connect(${port}, '${address}'));
const opened = sockets.map((socket) => new Promise((done) => socket.once('connect', done)));
Promise.all(opened).then(() => console.log('ready'));
const back = (socket) => new Promise((done) => socket.once('data', done));
process.stdin.on('data', (line) => {
  if (line.toString() === '\\n') return;
  Promise.all(sockets.map(back)).then(() => console.log('back'));
  for (const socket of sockets) socket.write(line);
});
`;
