import { fileOptions } from './file.ts';

export const FileLoopOptions = fileOptions(
  'Reads flows from a file again and again, with 10 seconds between the readings.',
);
