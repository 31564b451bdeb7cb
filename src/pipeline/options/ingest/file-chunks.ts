import { fileOptions } from './file.ts';

export const FileChunksOptions = fileOptions(
  'Reads flows from a file, once; as the type file, which also reads it in pieces.',
);
