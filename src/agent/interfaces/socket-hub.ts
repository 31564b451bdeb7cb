import { getSystemErrorName } from 'node:util';
import { NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { BpfObject, Native, Watcher } from '../loader/native.ts';

export interface SocketReceiver {
  /** A message from the kernel; empty bytes mean that messages were lost. */
  receive(bytes: Uint8Array): void;
  /** Called with the number of messages that were not from the kernel, and were dropped. */
  refused(messages: number): void;
}

/** Distributes the events of the one native watcher to the owners of the descriptors. */
export class SocketHub {
  readonly #native: Native;
  readonly #watcher: Watcher;
  readonly #sockets = new Map<number, SocketReceiver>();
  readonly #processes = new Map<number, () => void>();
  readonly #rings = new Map<number, () => void>();
  #sequence = 0;

  /** `onFailure` is called once, when events stop permanently. */
  constructor(native: Native, onFailure: (error: NetobservError) => void) {
    this.#native = native;
    this.#watcher = native.watch((fd, bytes, refused) => {
      if (fd < 0) {
        onFailure(watchFailure(refused));
        return;
      }
      const socket = this.#sockets.get(fd);
      if (socket === undefined) {
        (this.#processes.get(fd) ?? this.#rings.get(fd))?.();
        return;
      }
      if (refused > 0) socket.refused(refused);
      if (bytes !== undefined) socket.receive(bytes);
    });
  }

  /** Number of a request: never reused, so that no answer to another socket can match. */
  nextSequence(): number {
    // Notifications have the number 0.
    this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
    return this.#sequence;
  }

  /** Takes over the descriptor of a netlink socket. */
  add(fd: number, receiver: SocketReceiver): void {
    this.#sockets.set(fd, receiver);
    this.#watcher.addSocket(fd);
  }

  /** Stops watching and closes the descriptor. */
  remove(fd: number): void {
    this.#sockets.delete(fd);
    this.#processes.delete(fd);
    this.#watcher.remove(fd);
    this.#native.closeFd(fd);
  }

  /** Reports the end of a running process once; throws when it is already gone. */
  addProcess(pid: number, onEnd: () => void): Disposable {
    const fd = this.#native.openProcess(pid);
    this.#processes.set(fd, onEnd);
    this.#watcher.addProcess(fd);
    return {
      [Symbol.dispose]: () => {
        // The number may belong to another descriptor if everything was closed before.
        if (this.#processes.get(fd) === onEnd) this.remove(fd);
      },
    };
  }

  /** Calls back when a program has written to the ring, which is already empty again. */
  addRing(object: BpfObject, map: string, wake: () => void): void {
    this.#rings.set(this.#watcher.addRing(object, map), wake);
  }

  close(): void {
    for (const fd of [...this.#sockets.keys(), ...this.#processes.keys()]) this.remove(fd);
    this.#rings.clear();
    this.#watcher.close();
  }
}

function watchFailure(errno: number): NetobservError {
  const name = getSystemErrorName(-errno);
  const message = `the thread that waits for messages of the kernel has ended: ${name}`;
  return new NetobservError(AGENT_ERRORS.watch, message, { details: { errno } });
}
