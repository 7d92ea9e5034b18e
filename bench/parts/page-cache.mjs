/**
 * The first touch of a page of memory is slow: on a virtual machine that returns free memory to its
 * host, writing to a new file is ten times slower if nothing was written just before. That would
 * measure the host. So whatever is about to write first writes and deletes as many bytes.
 */

import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { forgetLoop } from './loop.mjs'

/** As large as what is written next: the kernel keeps free memory in pieces, by their size. */
const BLOCK_BYTES = 128 * 1024

export function readyPages(dir, bytes) {
  const file = join(dir, 'pages')
  const fd = openSync(file, 'w')
  const block = Buffer.alloc(BLOCK_BYTES)
  for (let written = 0; written < bytes; written += BLOCK_BYTES) writeSync(fd, block)
  closeSync(fd)
  unlinkSync(file)
  forgetLoop() // this is not what is measured
}
