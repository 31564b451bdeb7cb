import { access } from 'node:fs/promises';
import { join } from 'node:path';
import staticFiles from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANSWERS, AnswerError, START_ERRORS, startError } from './errors.ts';
import { replyError } from './reply-error.ts';

const INDEX = 'index.html';
/** Folder of files whose names change with their contents. */
const HASHED_PREFIX = '/assets/';

/** Requests of the page, relative to its own address, below the path at which a proxy serves it. */
const BELOW_A_PATH = /^\/(?!api\/|assets\/)[^?]*?(\/(?:api|assets)\/.*|\/(?:theme\.js|logo\.svg))$/;

/**
 * The address without the path at which a proxy serves the console, if the proxy does not remove
 * it: otherwise the page would load, but none of its files.
 */
export function withoutPrefix(url: string): string {
  return BELOW_A_PATH.exec(url)?.[1] ?? url;
}

/** The front end's files: hashed ones are cached for ever, the page is always revalidated. */
export async function serveAssets(app: FastifyInstance, webRoot: string): Promise<void> {
  const index = join(webRoot, INDEX);
  try {
    await access(index);
  } catch (cause) {
    throw startError(
      START_ERRORS.webRoot,
      `the console's front end is not in ${webRoot}: it has no ${INDEX}; "npm run build" makes it`,
      cause,
    );
  }
  await app.register(staticFiles, {
    root: webRoot,
    dotfiles: 'ignore',
    preCompressed: true,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const hashed = path.slice(webRoot.length).startsWith(HASHED_PREFIX);
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
}

/**
 * The page requests its files relative to its own address: without the trailing slash, a proxy
 * would look for them next to the path at which it serves the console. Relative, since only the
 * browser knows the whole address; the dot keeps a colon in it from being read as a scheme's.
 */
function asFolder(url: string): string {
  const [path = '', query] = url.split(/\?(.*)/s, 2);
  return `./${path.slice(path.lastIndexOf('/') + 1)}/${query === undefined ? '' : `?${query}`}`;
}

/**
 * Anything that is not a route: an unknown call of the API, a missing file, or a page that the
 * front end's own router knows.
 */
export function answerNotFound(
  request: FastifyRequest,
  reply: FastifyReply,
  methodsOf: (path: string) => readonly string[],
  hasFrontEnd: boolean,
): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '/';
  const methods = methodsOf(path);
  if (methods.length > 0) {
    reply.header('allow', methods.join(', '));
    return replyError(
      reply,
      new AnswerError(ANSWERS.method, `${path} takes ${methods.join(' and ')} only`),
    );
  }
  const isPage = hasFrontEnd && !/^\/api(\/|$)/.test(path) && !/\.[A-Za-z0-9]+$/.test(path);
  if (isPage && (request.method === 'GET' || request.method === 'HEAD')) {
    return path.endsWith('/') ? reply.sendFile(INDEX) : reply.redirect(asFolder(request.url));
  }
  const help = hasFrontEnd ? '' : '; this console was started without its front end';
  return replyError(reply, new AnswerError(ANSWERS.notFound, `nothing at ${path}${help}`));
}
